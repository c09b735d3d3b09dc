//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Provider signs with a key in a token. It is safe for concurrent use.
type Provider struct {
	module     *Module
	cfg        Config
	credential *signing.Credential

	mu      sync.Mutex
	current *connection // nil: to be connected anew
	users   map[*connection]int
	refused error // the token refused the PIN: it is not tried again
	closed  bool
}

// Open connects to the token and checks that key, certificate and configuration fit together. Close gives the sessions back.
func (m *Module) Open(cfg Config) (*Provider, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("open PKCS #11 key: %w", err)
	}
	c, err := m.connect(cfg)
	if err != nil {
		return nil, fmt.Errorf("open PKCS #11 key: %w", err)
	}
	chain, err := c.chain(cfg)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open PKCS #11 key: %w", err)
	}
	p := &Provider{module: m, cfg: cfg, current: c, users: make(map[*connection]int)}
	if p.credential, err = newCredential(cfg, c.kind, chain); err != nil {
		c.close()
		return nil, fmt.Errorf("open PKCS #11 key: %w", err)
	}
	return p, nil
}

func newCredential(cfg Config, kind uint, chain []*x509.Certificate) (*signing.Credential, error) {
	algorithm, err := algorithmFor(chain[0].PublicKey, kind, cfg.Algorithm)
	if err != nil {
		return nil, err
	}
	const forSigning = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if use := chain[0].KeyUsage; use != 0 && use&forSigning == 0 {
		return nil, errors.New("the certificate's key usage has neither digitalSignature nor nonRepudiation")
	}
	return &signing.Credential{
		Name: cfg.Name, Chain: chain, Algorithm: algorithm, Hash: cfg.Hash, MaxBatch: cfg.MaxBatch, InFlight: cfg.InFlight,
	}, nil
}

// Credential implements signing.Provider. KindCertificate when the certificate is not valid now.
func (p *Provider) Credential(context.Context) (*signing.Credential, error) {
	cert := p.credential.Certificate()
	if now := time.Now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return nil, signing.Errorf(signing.KindCertificate, "the signing certificate is valid from %s to %s",
			cert.NotBefore.UTC().Format(time.DateOnly), cert.NotAfter.UTC().Format(time.DateOnly))
	}
	return p.credential, nil
}

// Sign implements signing.Provider. A module cannot be interrupted: when ctx ends, Sign returns at once, the signature under way is
// made to its end and thrown away, and the outcome is unknown.
func (p *Provider) Sign(ctx context.Context, call signing.Call) ([][]byte, error) {
	if err := p.check(ctx, call); err != nil {
		return nil, err
	}
	values, again, err := p.signOnce(ctx, call)
	if again {
		values, _, err = p.signOnce(ctx, call)
	}
	return values, err
}

// signOnce is Sign on the connection there is. again = it was lost before any signature was begun: another one may do.
func (p *Provider) signOnce(ctx context.Context, call signing.Call) (values [][]byte, again bool, err error) {
	c, err := p.acquire()
	if err != nil {
		return nil, false, classify(err, 0)
	}
	b := newBatch(p, c, call.Digests)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.release(c)
		b.run(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		b.stop(ctx.Err())
		return nil, false, classify(ctx.Err(), b.started())
	}
	if err := b.failure(); err != nil {
		if lost(err) {
			p.abandon(c)
		}
		return nil, lost(err) && b.started() == 0, classify(err, b.started())
	}
	return b.values, false, nil
}

// check refuses what cannot be right before the key is used.
func (p *Provider) check(ctx context.Context, call signing.Call) error {
	if err := ctx.Err(); err != nil {
		return classify(err, 0)
	}
	if n := len(call.Digests); n < 1 || n > p.credential.MaxBatch {
		return signing.Errorf(signing.KindProvider, "a call of %d digests is not possible", n)
	}
	for i, d := range call.Digests {
		if len(d) != p.credential.Hash.Size() {
			return signing.Errorf(signing.KindProvider, "digest %d has %d bytes, %v has %d", i, len(d), p.credential.Hash, p.credential.Hash.Size())
		}
	}
	return nil
}

// acquire returns the connection, made anew if the last one was lost. Release must follow.
func (p *Provider) acquire() (*connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errors.New("the provider is closed")
	case p.refused != nil:
		return nil, p.refused
	}
	if p.current == nil {
		c, err := p.module.connect(p.cfg)
		if err != nil {
			if pinRefused(err) {
				p.refused = err
			}
			return nil, err
		}
		p.cfg.Log.Info("connected to the token again", "credential", p.cfg.Name)
		p.current = c
	}
	p.users[p.current]++
	return p.current, nil
}

// release ends a use; the last one closes a connection that was given up.
func (p *Provider) release(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[c]--
	p.closeUnused(c)
}

// abandon makes the next call connect anew.
func (p *Provider) abandon(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == c {
		p.current = nil
	}
	p.closeUnused(c)
}

func (p *Provider) closeUnused(c *connection) {
	if c != p.current && p.users[c] <= 0 {
		if _, ok := p.users[c]; ok {
			delete(p.users, c)
			c.close()
		}
	}
}

// Close gives the sessions back once running signatures have ended; later calls fail.
func (p *Provider) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if c := p.current; c != nil {
		p.current = nil
		p.users[c] += 0 // an unused connection is known too
		p.closeUnused(c)
	}
}

var _ signing.Provider = (*Provider)(nil)

// lost reports an error after which the sessions are of no use.
func lost(err error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_ERROR,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_OBJECT_HANDLE_INVALID,
		pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_OPERATION_ACTIVE:
		return true
	}
	return false
}

func pinRefused(err error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED:
		return true
	}
	return false
}

// classify makes err one of the domain. started says how many signatures may have been made.
func classify(err error, started int64) error {
	e := signing.Errorf(signing.KindProvider, "the security module did not sign").Because(err).Retryable(0)
	switch {
	case errors.Is(err, pkcs11.Error(pkcs11.CKR_PIN_LOCKED)):
		e = signing.Errorf(signing.KindProviderAccount, "the security module has locked the PIN").Because(err)
	case pinRefused(err):
		e = signing.Errorf(signing.KindProviderCredentials, "the security module does not accept the PIN").Because(err)
	case errors.Is(err, errNoKey):
		e = signing.Errorf(signing.KindConfiguration, "the key is not in the security module").Because(err)
	}
	e.Unknown = started > 0
	return e
}
