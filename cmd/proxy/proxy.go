package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/certreload"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// proxy holds all parts of the process. open makes it, serve runs it, and close releases the state
// folder.
type proxy struct {
	cfg      config.Config
	log      logr.Logger
	registry *prometheus.Registry

	clients     *clientservice.Watcher
	certificate *certreload.Reloader // nil = no TLS
	fonts       *font.Library        // nil = only the built-in fonts
	store       *store.Store
	audit       *audit.Log    // nil = no audit record
	state       signing.Store // the store behind the audit record
	service     *signing.Service
	api         *api.API

	calls       *calls
	providers   *providers
	credentials *credentials.Set
	tracing     *tracing
	callbacks   *callback.Notifier
	// timestampReady returns an error while no timestamp authority is reachable; nil = none is
	// configured.
	timestampReady func(context.Context) error

	rest, management net.Listener
	instances        *affinity.Files
	forwarder        *affinity.Forwarder

	started  time.Time
	opened   chan struct{} // closed when the service accepts operations
	draining atomic.Bool   // set when the process was asked to stop
	// Fault of the state folder that the last readiness probe found; nil = no probe yet.
	trouble atomic.Pointer[string]
}

// open makes the proxy from a configuration. It checks cheap things first: it reads all required
// files before it creates anything on disk.
func open(ctx context.Context, cfg config.Config, log logr.Logger) (_ *proxy, err error) {
	p := &proxy{cfg: cfg, log: log, registry: newRegistry(), opened: make(chan struct{}), started: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	log.Info("starting", "version", version, "instance", cfg.InstanceName, "ordinal", cfg.InstanceOrdinal)
	for _, step := range []func(context.Context) error{
		p.openTracing, p.readFiles, p.listen, p.openStore, p.openService, p.openAPI,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// openTracing is the first step, because later steps are wrapped by tracing.
func (p *proxy) openTracing(ctx context.Context) error {
	p.tracing = newTracing(ctx, p.log.WithName("tracing"), p.cfg.InstanceName, os.Getenv)
	return nil
}

// readFiles reads the fonts, the client file and the certificate.
func (p *proxy) readFiles(context.Context) (err error) {
	if err := p.readFonts(); err != nil {
		return err
	}
	p.clients, err = clientservice.NewWatcher(clientservice.WatcherConfig{
		Path: p.cfg.ClientServicesFile, Log: p.log.WithName("clients"), Registerer: p.registry,
	})
	if clientservice.IsMissing(err) {
		return fmt.Errorf("%w\n%s", err, missingClients)
	}
	if err != nil || p.cfg.Server.Certificate == "" {
		return err
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
	var l net.ListenConfig
	if p.rest, err = l.Listen(ctx, "tcp", address(p.cfg.Server.Address, p.cfg.Server.Port)); err != nil {
		return fmt.Errorf("open REST port: %w", err)
	}
	if p.management, err = l.Listen(ctx, "tcp", address(p.cfg.Management.Address, p.cfg.Management.Port)); err != nil {
		return fmt.Errorf("open management port: %w", err)
	}
	return p.readAffinity()
}

// openAPI makes the REST handler.
func (p *proxy) openAPI(context.Context) error {
	key, err := p.readTokenKey()
	if err != nil {
		return err
	}
	tokens, err := p.remoteTokens()
	if err != nil {
		return err
	}
	p.api, err = api.New(api.Config{
		Service:            p.service,
		ClientServices:     p.clients.Current,
		Endpoint:           func() affinity.Endpoint { e, _ := p.instances.Endpoint(); return e },
		Published:          p.published,
		Forwarder:          p.forwarder,
		Identity:           affinity.Identity(p.cfg.Affinity.InstanceUID),
		Reading:            p.store.Reading,
		Log:                p.log.WithName("api"),
		Registerer:         p.registry,
		TokenKey:           key,
		SharedTokenKey:     p.cfg.Server.TokenSigningKey != "",
		TokenLifetime:      p.cfg.Server.TokenLifetime,
		RemoteTokens:       tokens,
		SyncWait:           orNone(p.cfg.Server.SyncWait),
		MaxBodyBytes:       p.cfg.Limits.BodyBytes,
		MaxDocumentBytes:   p.cfg.Limits.DocumentBytes,
		MaxDocuments:       p.cfg.Limits.DocumentsPerRequest,
		MaxUploads:         p.cfg.Limits.ConcurrentRequests,
		MaxWaiting:         p.cfg.Limits.WaitingRequests,
		MaxDownloads:       p.cfg.Limits.ConcurrentDownloads,
		ClientUploads:      p.cfg.Limits.ClientConcurrentRequests,
		ClientRate:         p.cfg.Limits.ClientRate,
		ClientFailures:     p.cfg.Limits.ClientFailures,
		StrictVendorStatus: p.cfg.Server.StrictVendorStatus,
		Version:            version,
	})
	return err
}

// close releases everything that open acquired. It may be called after serve, which closes some
// parts itself.
func (p *proxy) close() error {
	for _, l := range []net.Listener{p.rest, p.management} {
		if l != nil {
			_ = l.Close()
		}
	}
	if p.providers != nil {
		p.providers.close()
	}
	if p.tracing != nil {
		if err := p.tracing.end(context.Background()); err != nil {
			p.log.Error(err, "the last traces were not sent")
		}
	}
	if p.audit != nil {
		_ = p.audit.Close() // its content is already durable
	}
	if p.store == nil {
		return nil
	}
	if err := p.store.Close(); err != nil {
		return fmt.Errorf("close state folder: %w", err)
	}
	return nil
}
