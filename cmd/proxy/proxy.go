package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/certreload"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/memorylimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// proxy holds all parts of the process. open makes it, serve runs it, and close releases the state
// folder.
type proxy struct {
	cfg      config.Config
	log      logr.Logger
	registry *prometheus.Registry
	started  time.Time
	phase
	stop      *stop
	memory    *memorylimit.Follower
	checkOnly bool // the configuration is checked, and nothing is started

	clients     *clientservice.Watcher
	certificate *certreload.Reloader // nil = no TLS
	fonts       *font.Library        // nil = only the built-in fonts
	profiles    *xades.Profiles      // nil = only the embedded profiles
	ports       *ports
	instances   *instances
	state       *stateFolder
	keys        *keyHome

	tracing     *tracing
	calls       *calls
	callbacks   *callback.Notifier
	providers   *providers
	credentials *credentials.Set
	signed      *signedDocuments
	service     *signing.Service
	hotFolder   *hotfolder.Engine // nil = not enabled
	buckets     *bucket.Stores    // hot folders in object storage; nil = not enabled
	api         *api.API
	management  *management
}

// open makes the proxy from a configuration. It checks cheap things first: it reads all required
// files before it creates anything on disk.
func open(ctx context.Context, cfg config.Config, log logr.Logger) (_ *proxy, err error) {
	p := &proxy{cfg: cfg, log: log, registry: newRegistry(), started: time.Now()}
	p.ready = make(chan struct{})
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	log.Info("starting", "version", version, "instance", cfg.InstanceName, "ordinal", cfg.InstanceOrdinal)
	p.memory = memorylimit.New(memorylimit.Config{Log: log.WithName("memory"), Registerer: p.registry})
	p.tracing = newTracing(ctx, log.WithName("tracing"), cfg.InstanceName, os.Getenv) // wraps later parts
	for _, step := range []func(context.Context) error{
		p.readFiles, p.listen, p.openState, p.openService, p.openHotFolder, p.openAPI,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	p.openManagement()
	return p, nil
}

// readFiles reads the fonts, the profiles, the client file and the certificate. It reports all
// problems at once.
func (p *proxy) readFiles(context.Context) error {
	return errors.Join(p.readFonts(), p.readProfiles(), p.readClients(), p.readCertificate())
}

// readFonts reads the operator's own fonts for visible signatures.
func (p *proxy) readFonts() (err error) {
	p.fonts, err = readFonts(p.cfg.Visible.Fonts, p.log)
	return err
}

// readProfiles reads the operator's own profiles of XAdES signatures.
func (p *proxy) readProfiles() (err error) {
	p.profiles, err = readProfiles(p.cfg.XAdES.Profiles)
	return err
}

// readClients reads the client file.
func (p *proxy) readClients() (err error) {
	p.clients, err = clientservice.NewWatcher(clientservice.WatcherConfig{
		Path: p.cfg.ClientServicesFile, Log: p.log.WithName("clients"), Registerer: p.registry,
	})
	if clientservice.IsMissing(err) {
		return fmt.Errorf("%w\n%s", err, missingClients)
	}
	return err
}

// readCertificate reads the certificate and the key of the REST port.
func (p *proxy) readCertificate() (err error) {
	if p.cfg.Server.Certificate == "" {
		return nil
	}
	p.certificate, err = certreload.New(certreload.Config{
		CertFile:   p.cfg.Server.Certificate,
		KeyFile:    p.cfg.Server.PrivateKey,
		Log:        p.log.WithName("certificate"),
		Registerer: p.registry,
	})
	return err
}

// missingClients is appended to the error about a missing client file.
const missingClients = `
This file says who may use the proxy. Make it, readable by the proxy alone, with an id and a secret of your own:

  {
    "my-client": {"secret": "a long random secret"}
  }

or name another file with --client.services.config=FILE or another folder with --work.folder=FOLDER.`

// listen opens both ports and determines the address of the REST port for clients. It runs before
// the state folder is opened, so that a port in use leaves the folder untouched.
func (p *proxy) listen(ctx context.Context) (err error) {
	if p.ports, err = openPorts(ctx, p.cfg); err != nil {
		return err
	}
	p.instances, err = openInstances(p.cfg, p.ports.restAddress(), p.certificate != nil, p.log, p.registry)
	if err != nil {
		return err
	}
	p.stop = newStop(p.cfg, p.instances.files.Directory, p.log)
	p.registry.MustRegister(&drainCollector{drain: p.stop.drain, departure: p.stop.departure})
	return nil
}

// openState opens the state folder and finds out which earlier runs had it.
func (p *proxy) openState(ctx context.Context) (err error) {
	if p.state, err = openStateFolder(ctx, p.cfg, p.log); err != nil {
		return err
	}
	p.stop.store = p.state.store
	p.instances.recordRun(p.cfg, p.state.store.Instance())
	return nil
}

// openManagement makes the handlers of the management port.
func (p *proxy) openManagement() {
	p.management = &management{
		cfg: p.cfg, log: p.log, registry: p.registry, certificate: p.certificate, instances: p.instances,
		keys: p.keys, state: p.state, credentials: p.credentials, signed: p.signed, service: p.service, phase: &p.phase,
		drain: p.stop.drain, departure: p.stop.departure, started: p.started, hotFolders: p.hotFolderStatus,
	}
}

// openAPI makes the REST handler.
func (p *proxy) openAPI(context.Context) error {
	key, err := readTokenKey(p.cfg)
	if err != nil {
		return err
	}
	tokens, err := openRemoteTokens(p.cfg.Remote.Token, p.calls.token, p.log)
	if err != nil {
		return err
	}
	p.openKeyHome(key)
	p.api, err = api.New(api.Config{
		Service:            p.service,
		ClientServices:     p.clients.Current,
		Endpoint:           p.instances.endpoint,
		Published:          p.instances.published,
		Forwarder:          p.instances.forwarder,
		KeyHomes:           p.keys.homes(),
		Messenger:          p.keys.messenger,
		Identity:           p.instances.identity,
		Reading:            p.state.store.Reading,
		Refusal:            p.stop.refusal,
		HotFolders:         p.hotFolders(),
		Log:                p.log.WithName("api"),
		Registerer:         p.registry,
		TokenKey:           key,
		SharedTokenKey:     p.cfg.Server.TokenSigningKey != "",
		TokenLifetime:      p.cfg.Server.TokenLifetime,
		RemoteTokens:       tokens,
		SyncWait:           orNone(p.cfg.Server.SyncWait),
		Settings:           p.cfg.Limits.Settings,
		StrictVendorStatus: p.cfg.Server.StrictVendorStatus,
		Version:            version,
	})
	return err
}

// close releases everything that open acquired. It may be called after serve, which closes some
// parts itself.
func (p *proxy) close() error {
	if p.ports != nil {
		p.ports.close()
	}
	if p.providers != nil {
		p.providers.close()
	}
	if err := p.tracing.end(context.Background()); err != nil {
		p.log.Error(err, "could not send the last traces")
	}
	if p.state == nil {
		return nil
	}
	return p.state.close()
}
