package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/software"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// domainPrefix is the prefix of the credential names of client services at the service domain.
// Names of configured providers cannot contain a slash.
const domainPrefix = "service-domain/"

// providers selects the provider that signs for a client service. This is the provider that the
// client service's entry names, otherwise the default provider, otherwise the remote service at the
// documented domain with the client service's own id and secret. It is safe for concurrent use.
type providers struct {
	clients      func() *clientservice.Services
	named        map[string]signing.Provider
	standard     signing.Provider // nil = each client service has its own provider at the domain
	atDomain     func(id string) (signing.Provider, error)
	log          logr.Logger
	standardName string // name of standard's credential
	// read records the result of reading a credential. It returns true if the certificate is not valid
	// and was not already known to be invalid.
	read       func(name string, c *signing.Credential, fault *signing.Error) (invalid bool)
	unreadable func(name string) *unread // the last result passed to read; nil = the credential could be read
	lapsed     func(name string) bool    // reports whether a certificate that was read is no longer valid

	mu   sync.Mutex
	own  map[string]signing.Provider // by client service id
	seen *clientservice.Services     // client services that own was last compared with
}

// openProviders opens every configured provider. It makes no remote calls; watchCredentials makes
// the first ones.
func (p *proxy) openProviders() (err error) {
	s := &providers{
		clients:    p.clients.Current,
		named:      make(map[string]signing.Provider),
		own:        make(map[string]signing.Provider),
		atDomain:   p.openAtDomain,
		log:        p.log.WithName("providers"),
		read:       p.wasRead,
		unreadable: p.health.unreadable,
		lapsed:     p.health.lapsed,
	}
	p.providers = s
	p.health.gone = s.gone
	for _, c := range p.cfg.Providers {
		p.health.configured(c.Name)
		settings, ok := c.Settings.(opener)
		if !ok {
			return fmt.Errorf("open provider %s: kind %s cannot be opened", c.Name, c.Kind)
		}
		if s.named[c.Name], err = settings.open(p, c.Name); err != nil {
			return fmt.Errorf("open provider %s: %w", c.Name, err)
		}
	}
	switch {
	case p.cfg.DefaultProvider != "":
		s.standard, s.standardName = s.named[p.cfg.DefaultProvider], p.cfg.DefaultProvider
	case p.cfg.Remote.Domain == "":
		s.standardName = "embedded"
		if p.cfg.Signing.PKCS12File != "" {
			s.standardName = "software"
		}
		p.health.configured(s.standardName)
		s.standard, err = p.openLocal(s.standardName)
	}
	return err
}

// wasRead records the result of reading a credential; see health.read. It also remembers the
// issuers in the chain.
func (p *proxy) wasRead(name string, c *signing.Credential, fault *signing.Error) (invalid bool) {
	p.issuers.see(c)
	return p.health.read(name, c, fault)
}

// credentialName returns the name of the credential that signs for a client service.
func (s *providers) credentialName(id string) string {
	c := s.clients().Lookup(id)
	switch {
	case c != nil && c.Provider != "":
		return c.Provider
	case s.standard != nil:
		return s.standardName
	}
	return domainPrefix + id
}

// gone reports whether a credential at the service domain belongs to a client service that no
// longer exists.
func (s *providers) gone(name string) bool {
	id, ok := strings.CutPrefix(name, domainPrefix)
	return ok && s.clients().Lookup(id) == nil
}

// wasRead records the result of reading a client service's credential. It logs once that a
// certificate is not valid.
func (s *providers) wasRead(id string, c *signing.Credential, fault *signing.Error) {
	name := s.credentialName(id)
	if s.read(name, c, fault) {
		s.log.Error(fault, "signing certificate is not valid; documents are refused until it is", "credential", name)
	}
}

// openLocal opens the local key that signs if no remote service is configured.
func (p *proxy) openLocal(name string) (signing.Provider, error) {
	options := software.Options{Name: name, Hash: hashOf(p.cfg.Signing.Digest), Log: p.log.WithName("provider")}
	if p.cfg.Signing.RSAScheme == config.PSS {
		options.Algorithm = signing.RSAPSS
	}
	if file := p.cfg.Signing.PKCS12File; file != "" {
		password, err := firstLine(p.cfg.Signing.PKCS12PasswordFile)
		if err != nil {
			return nil, err
		}
		return software.OpenPKCS12(file, password, options)
	}
	key := software.KeyType(p.cfg.Signing.EmbeddedKey)
	if strings.HasPrefix(string(key), "P-") {
		options.Algorithm = "" // the scheme applies to RSA keys only
	}
	return p.openEmbedded("embedded-key", software.EmbeddedOptions{Options: options, Key: key})
}

// openAtDomain makes the own provider of a client service. The remote side knows the client service
// by the same id and secret. The secret is read each time a token is requested, so a changed secret
// is used from then on. The previous secret is tried if the remote side does not know the new one
// yet.
func (p *proxy) openAtDomain(id string) (signing.Provider, error) {
	return csc.New(csc.Config{
		Name: domainPrefix + id, Settings: csc.ForDomain(p.cfg.Remote.Domain), HTTP: p.calls.remote,
		Log: p.log.WithName("provider").WithValues("clientService", id),
		Identity: func() (string, []string, error) {
			c := p.clients.Current().Lookup(id)
			if c == nil {
				return "", nil, errors.New("the client service is not configured any more")
			}
			secrets := []string{c.Secret.Reveal()}
			if !c.PreviousSecret.IsZero() {
				secrets = append(secrets, c.PreviousSecret.Reveal())
			}
			return c.ID, secrets, nil
		},
	})
}

// forClient returns the provider that signs for a client service. Its errors are of
// KindConfiguration.
func (s *providers) forClient(id string) (signing.Provider, error) {
	services := s.clients()
	c := services.Lookup(id)
	switch {
	case c != nil && c.Provider != "":
		if p := s.named[c.Provider]; p != nil {
			return p, nil
		}
		// Never use another provider instead, because the signature would be that of another signer.
		return nil, signing.Errorf(
			signing.KindConfiguration,
			"provider %q of the client service is not configured",
			c.Provider,
		)
	case s.standard != nil:
		return s.standard, nil
	case c == nil:
		// The client service may return soon, because some tools replace a Secret by deleting and
		// recreating it.
		return nil, signing.Errorf(signing.KindConfiguration, "the client service is not configured any more").Retryable(0)
	}
	return s.forDomain(services, id)
}

// forDomain returns the client service's own provider. It removes the providers of client services
// that no longer exist.
func (s *providers) forDomain(services *clientservice.Services, id string) (signing.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if services != s.seen {
		for gone := range s.own {
			if services.Lookup(gone) == nil {
				delete(s.own, gone)
			}
		}
		s.seen = services
	}
	if p := s.own[id]; p != nil {
		return p, nil
	}
	p, err := s.atDomain(id)
	if err != nil {
		return nil, signing.Errorf(
			signing.KindConfiguration,
			"the remote signing service is not configured rightly",
		).Because(
			err,
		)
	}
	s.own[id] = p
	return p, nil
}

// credentialLabel returns the name of a credential in metrics. All client services at the service
// domain share one label value, because there may be many.
func credentialLabel(name string) string {
	if strings.HasPrefix(name, domainPrefix) {
		return strings.TrimSuffix(domainPrefix, "/")
	}
	return name
}
