package service

import (
	"crypto/x509"
	"net/http"
	"slices"
	"time"
)

// Service is the simulated signing service. It is safe for concurrent use.
type Service struct {
	opts        Options
	frontend    *frontend
	credentials credentials
	tokens      *tokens
	signer      *signer
	safe        *safe
}

// New creates a service with its keys and certificates.
func New(opts Options) (*Service, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{opts: opts, frontend: newFrontend(opts)}
	s.signer = &signer{counts: &s.frontend.counts, closed: s.frontend.closed}
	for _, c := range opts.Credentials {
		made, err := opts.Authority.credential(c)
		if err != nil {
			return nil, err
		}
		s.credentials = append(s.credentials, made)
	}
	var err error
	if s.tokens, err = newTokens(&s.opts); err != nil {
		return nil, err
	}
	if s.safe, err = newSAFE(&s.opts, &s.frontend.counts, s.signer); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// routes connects the endpoints.
func (s *Service) routes() {
	sads := newSADs(s.opts.SADLifetime)
	(&oauth{
		opts: &s.opts, counts: &s.frontend.counts, tokens: s.tokens, sads: sads, credentials: s.credentials,
	}).routes(s.frontend)
	(&cscDescription{opts: &s.opts, tokens: s.tokens, credentials: s.credentials}).routes(s.frontend)
	(&cscAuthorization{
		opts: &s.opts, tokens: s.tokens, sads: sads, credentials: s.credentials,
		waiting: make(map[string]*waitingAuthorization),
	}).routes(s.frontend)
	(&cscSigning{
		opts: &s.opts, tokens: s.tokens, sads: sads, credentials: s.credentials,
		signer: s.signer, answers: make(map[string]*asyncAnswer),
	}).routes(s.frontend)
	s.safe.routes(s.frontend)
}

// Close ends all answers that are held, delayed or stalled. It may be called more than once.
func (s *Service) Close() { s.frontend.close() }

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.frontend.ServeHTTP(w, r) }

// Authority returns the authority that issued the certificates of the credentials.
func (s *Service) Authority() *Authority { return s.opts.Authority }

// Misbehave adds a fault. Faults that were added first take effect first.
func (s *Service) Misbehave(f Fault) error { return s.frontend.faults.add(f) }

// Behave removes all faults.
func (s *Service) Behave() { s.frontend.faults.clear() }

// SetLatency changes Options.Latency from the next request on.
func (s *Service) SetLatency(d time.Duration) { s.frontend.latency.Store(int64(d)) }

// Hold makes signHash requests wait, before anything is signed, until Release is called.
func (s *Service) Hold() { s.signer.gate.close() }

// Release ends Hold, so that all waiting requests continue.
func (s *Service) Release() { s.signer.gate.open() }

// Counts returns what has happened so far.
func (s *Service) Counts() Counts { return s.frontend.counts.snapshot(s.signer.gate.held()) }

// RevokeTokens invalidates all access tokens that were issued so far.
func (s *Service) RevokeTokens() { s.tokens.revoke() }

// Token issues a token as the token endpoint does, but does not count it. It is for tests that act
// as another client.
func (s *Service) Token(client string) string {
	lifetime := s.opts.TokenLifetime
	token, _ := s.tokens.issue(accessToken{client: client, scope: "read write", expires: time.Now().Add(lifetime)})
	return token
}

// SAFETokens returns the account's current tokens. In reality the first ones come from a person's
// consent.
func (s *Service) SAFETokens() (access, refresh string) { return s.safe.tokens() }

// ExpireSAFEToken makes the account's access token invalid. The refresh token stays valid.
func (s *Service) ExpireSAFEToken() { s.safe.expireToken() }

// RenewCredentials gives every credential a new random key and certificate under its old id, as a
// real service does before certificates expire. After a restart with a Seed the first keys and
// certificates are back.
func (s *Service) RenewCredentials() error {
	for _, c := range append(slices.Clone(s.credentials), s.safe.credential) {
		key, err := makeKey(c.Key, nil)
		if err != nil {
			return err
		}
		if err := c.certify(s.opts.Authority, key); err != nil {
			return err
		}
	}
	return nil
}

// Chains returns the current certificates of the credentials.
func (s *Service) Chains() [][]*x509.Certificate {
	var all [][]*x509.Certificate
	for _, c := range s.credentials {
		all = append(all, c.held.Load().chain)
	}
	return all
}
