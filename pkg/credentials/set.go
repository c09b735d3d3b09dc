package credentials

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// ClientServices gives the client services in force. clientservice.Watcher implements it. It is
// safe for concurrent use.
type ClientServices interface {
	// Current returns the client services in force. It returns another pointer after each change.
	Current() *clientservice.Services
}

// DomainProviders opens providers at the service domain. It is safe for concurrent use.
type DomainProviders interface {
	// OpenAtDomain opens the own provider of a client service. It makes no remote call.
	OpenAtDomain(identity Identity) (signing.Provider, error)
}

// Config holds the dependencies of a Set.
type Config struct {
	ClientServices ClientServices
	// Named holds the configured providers. The key is the name of the provider's credential.
	Named map[string]signing.Provider
	// Default signs for client services whose entries name no provider. DefaultName is the name of its
	// credential. Nil = each of these client services has its own provider at the service domain.
	Default     signing.Provider
	DefaultName string
	// AtDomain opens the providers at the service domain. It is needed if Default is nil.
	AtDomain DomainProviders

	Log        logr.Logger           // gets no secret
	Registerer prometheus.Registerer // nil = no metrics
}

// Set holds the credentials of all client services. It is safe for concurrent use.
type Set struct {
	log       logr.Logger
	selection *selection
	health    *health
	issuers   issuers
}

// New returns a Set and registers its metrics. It makes no remote call; Run makes the first ones.
func New(cfg Config) (*Set, error) {
	switch {
	case cfg.ClientServices == nil:
		return nil, errors.New("client services are needed")
	case cfg.Default == nil && cfg.AtDomain == nil:
		return nil, errors.New("a default provider or providers at the service domain are needed")
	}
	sel := newSelection(cfg)
	s := &Set{log: cfg.Log, selection: sel, health: newHealth(sel)}
	for _, name := range slices.Sorted(maps.Keys(cfg.Named)) {
		s.health.list(name)
	}
	if cfg.Default != nil {
		s.health.list(cfg.DefaultName)
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(s.health); err != nil {
			return nil, fmt.Errorf("register metrics of credentials: %w", err)
		}
	}
	return s, nil
}

// Provider returns the provider that signs for a client service. Its errors are of
// KindConfiguration. An error has Retry set if the client service does not exist, because it may
// return soon.
func (s *Set) Provider(clientService string) (signing.Provider, error) {
	return s.selection.provider(clientService)
}

// RecordRead records the result of reading the credential of a client service. c is nil if it could
// not be read. fault says why it could not be read or why its certificate is not valid; nil = the
// credential can be used. RecordRead logs once that a certificate is not valid.
func (s *Set) RecordRead(clientService string, c *signing.Credential, fault *signing.Error) {
	s.issuers.add(c)
	name := s.selection.credentialName(clientService)
	if s.health.recordRead(name, c, fault, time.Now()) {
		s.log.Error(fault, "signing certificate is not valid; documents are refused until it is valid", "credential", name)
	}
}

// RecordCall records the outcome of a call to a provider: returned, refused or unknown.
func (s *Set) RecordCall(c *signing.Credential, outcome string) {
	s.health.recordCall(c, outcome, time.Now())
}

// Health returns the health of at most limit credentials, sorted by name. If there are more, it
// keeps those with a fault and those that expire first. more is the number of credentials that it
// leaves out.
func (s *Set) Health(limit int) (list []Health, more int) { return s.health.report(limit, time.Now()) }

// Issuers returns the CA certificates in the chains of the credentials that were read. They
// complete the chain of a timestamp authority that sends only its own certificate.
func (s *Set) Issuers() []*x509.Certificate { return s.issuers.all() }

// Run probes the credentials until ctx is done. It then returns nil.
func (s *Set) Run(ctx context.Context) error {
	p := &prober{set: s}
	p.run(ctx)
	return nil
}
