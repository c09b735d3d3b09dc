package credentials

import (
	"errors"
	"strings"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// domainPrefix is the prefix of the names of credentials at the service domain. The id of the
// client service follows. The names of configured providers cannot contain a slash.
const domainPrefix = "service-domain/"

// Label returns the name of a credential in metrics and traces. All credentials at the service
// domain share one label value, because there may be many.
func Label(name string) string {
	if strings.HasPrefix(name, domainPrefix) {
		return strings.TrimSuffix(domainPrefix, "/")
	}
	return name
}

// selection selects the provider of each client service. It keeps the open providers at the service
// domain, because a provider caches the credential and the access token. It is safe for concurrent
// use.
type selection struct {
	services    ClientServices
	named       map[string]signing.Provider // by name of the credential; never changed
	standard    signing.Provider            // nil = each client service has its own provider at the domain
	defaultName string
	domain      DomainProviders

	mu   sync.Mutex
	open map[string]signing.Provider // providers at the service domain, by id of the client service
	seen *clientservice.Services     // the client services for which open was last cleaned
}

func newSelection(cfg Config) *selection {
	return &selection{
		services: cfg.ClientServices, named: cfg.Named, standard: cfg.Default, defaultName: cfg.DefaultName,
		domain: cfg.AtDomain, open: make(map[string]signing.Provider),
	}
}

// credentialName returns the name of the credential that signs for a client service.
func (s *selection) credentialName(id string) string {
	c := s.services.Current().Lookup(id)
	switch {
	case c != nil && c.Provider != "":
		return c.Provider
	case s.standard != nil:
		return s.defaultName
	}
	return domainPrefix + id
}

// orphaned reports whether a credential belongs to a client service that no longer exists.
func (s *selection) orphaned(name string) bool {
	id, ok := strings.CutPrefix(name, domainPrefix)
	return ok && s.services.Current().Lookup(id) == nil
}

// provider returns the provider that signs for a client service; see Set.Provider.
func (s *selection) provider(id string) (signing.Provider, error) {
	services := s.services.Current()
	c := services.Lookup(id)
	switch {
	case c != nil && c.Provider != "":
		if p := s.named[c.Provider]; p != nil {
			return p, nil
		}
		// Never use another provider instead, because the signature would be that of another signer.
		return nil, signing.Errorf(signing.KindConfiguration,
			"provider %q of the client service is not configured", c.Provider)
	case s.standard != nil:
		return s.standard, nil
	case c == nil:
		// The client service may return soon, because some tools replace a Secret by deleting and
		// recreating it.
		return nil, signing.Errorf(signing.KindConfiguration, "%s", removedText).Retryable(0)
	}
	return s.atDomain(services, id)
}

// removedText is the error for a client service whose entry was removed.
const removedText = "the client service is no longer configured"

// atDomain returns the own provider of a client service. It drops the providers of client services
// that no longer exist, so that one that returns starts with a fresh token.
func (s *selection) atDomain(services *clientservice.Services, id string) (signing.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if services != s.seen {
		for known := range s.open {
			if services.Lookup(known) == nil {
				delete(s.open, known)
			}
		}
		s.seen = services
	}
	if p := s.open[id]; p != nil {
		return p, nil
	}
	p, err := s.domain.OpenAtDomain(Identity{ClientService: id, services: s.services})
	if err != nil {
		return nil, signing.Errorf(signing.KindConfiguration,
			"the configuration of the remote signing service has mistakes").Because(err)
	}
	s.open[id] = p
	return p, nil
}

// Identity is how a client service authenticates at the service domain: with the same id and secret
// as at the proxy.
type Identity struct {
	ClientService string // id
	services      ClientServices
}

// CredentialName returns the name of the client service's credential at the service domain.
func (i Identity) CredentialName() string { return domainPrefix + i.ClientService }

// Secrets returns the id and the secrets in force, in the order in which they are tried. Call it
// for each token, so that a changed secret is used from then on. The previous secret comes second,
// because the service may not know the new one yet. It is an error if the client service no longer
// exists.
func (i Identity) Secrets() (id string, secrets []string, err error) {
	c := i.services.Current().Lookup(i.ClientService)
	if c == nil {
		return "", nil, errors.New(removedText)
	}
	secrets = []string{c.Secret.Reveal()}
	if !c.PreviousSecret.IsZero() {
		secrets = append(secrets, c.PreviousSecret.Reveal())
	}
	return c.ID, secrets, nil
}
