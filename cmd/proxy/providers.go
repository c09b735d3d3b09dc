package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// openCredentials opens every configured provider. It makes no remote calls; the probes of the
// credentials make the first ones.
func (p *proxy) openCredentials() error {
	cfg := credentials.Config{
		ClientServices: p.clients,
		Log:            p.log.WithName("credentials"),
		Registerer:     p.registry,
	}
	if err := p.openProviders(&cfg); err != nil {
		return err
	}
	var err error
	p.credentials, err = credentials.New(cfg)
	return err
}

// openProviders opens every configured provider and puts it into cfg.
func (p *proxy) openProviders(cfg *credentials.Config) error {
	p.providers = &providers{cfg: p.cfg, http: p.calls.remote, log: p.log, checkOnly: p.checkOnly}
	cfg.AtDomain = p.providers
	var err error
	if cfg.Named, err = p.providers.openNamed(); err != nil {
		return err
	}
	switch {
	case p.cfg.DefaultProvider != "":
		cfg.DefaultName, cfg.Default = p.cfg.DefaultProvider, cfg.Named[p.cfg.DefaultProvider]
	case p.cfg.Remote.Domain == "":
		cfg.DefaultName, cfg.Default, err = p.providers.openLocal()
	}
	return err
}

// providers opens the providers that the configuration selects, and closes them at the end.
type providers struct {
	cfg  config.Config
	http *http.Client // for calls to remote signing services
	log  logr.Logger
	// checkOnly keeps a provider from loading software that could use the network.
	checkOnly bool

	crls    []func(context.Context, *x509.Certificate) ([][]byte, error) // of the CAs of embedded keys
	closers []func() error                                               // of PKCS #11 modules
}

// openNamed opens the providers of the YAML file and returns them by name. The error joins those of
// all providers.
func (p *providers) openNamed() (map[string]signing.Provider, error) {
	named := make(map[string]signing.Provider)
	var failed []error
	for _, c := range p.cfg.Providers {
		settings, ok := c.Settings.(opener)
		if !ok {
			failed = append(failed, fmt.Errorf("open provider %s: kind %s cannot be opened", c.Name, c.Kind))
			continue
		}
		provider, err := settings.open(p, c.Name)
		if err != nil {
			failed = append(failed, fmt.Errorf("open provider %s: %w", c.Name, err))
			continue
		}
		named[c.Name] = provider
	}
	return named, errors.Join(failed...)
}

// openLocal opens the local key that signs if no remote service is configured. It returns the name
// of the credential too.
func (p *providers) openLocal() (name string, _ signing.Provider, err error) {
	options := software.Options{Name: "embedded", Hash: p.cfg.Signing.Digest, Log: p.log.WithName("provider")}
	if p.cfg.Signing.RSAScheme == signing.RSAPSS {
		options.Algorithm = signing.RSAPSS
	}
	if file := p.cfg.Signing.PKCS12File; file != "" {
		options.Name = "software"
		password, err := readPassword(p.cfg.Signing.PKCS12PasswordFile)
		if err != nil {
			return "", nil, err
		}
		provider, err := software.OpenPKCS12(file, password, options)
		if err != nil {
			return "", nil, err // without a provider that is a nil pointer
		}
		return options.Name, provider, nil
	}
	key := p.cfg.Signing.EmbeddedKey
	if strings.HasPrefix(string(key), "P-") {
		options.Algorithm = "" // the scheme applies to RSA keys only
	}
	provider, err := p.openEmbedded("embedded-key", software.EmbeddedOptions{Options: options, Key: key})
	return options.Name, provider, err
}

// openEmbedded opens an embedded key in a folder inside the state folder.
func (p *providers) openEmbedded(folder string, o software.EmbeddedOptions) (signing.Provider, error) {
	provider, err := software.OpenEmbedded(filepath.Join(p.cfg.StateFolder, folder), p.log.WithName("provider"), o)
	if err != nil {
		return nil, err
	}
	p.crls = append(p.crls, provider.CRLs)
	return provider, nil
}

// OpenAtDomain implements credentials.DomainProviders.
func (p *providers) OpenAtDomain(identity credentials.Identity) (signing.Provider, error) {
	return csc.New(csc.Config{
		Name:     identity.CredentialName(),
		Settings: csc.ForDomain(p.cfg.Remote.Domain),
		Identity: identity.Secrets,
		HTTP:     p.http,
		Log:      p.log.WithName("provider").WithValues("clientService", identity.ClientService),
	})
}

// localCRL returns the CRLs of the CAs of embedded keys. They are not published on any network.
func (p *providers) localCRL(ctx context.Context, issuer *x509.Certificate) ([][]byte, error) {
	for _, of := range p.crls {
		if lists, err := of(ctx, issuer); err != nil || len(lists) > 0 {
			return lists, err
		}
	}
	return nil, nil
}

// close closes the modules of PKCS #11 providers. Call it when no call to a provider is running.
func (p *providers) close() {
	for _, c := range p.closers {
		_ = c() // the process ends
	}
	p.closers = nil
}
