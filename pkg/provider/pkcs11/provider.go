//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Provider signs with a key in a token. It is safe for concurrent use.
type Provider struct {
	kept        atomic.Pointer[signing.Credential]
	connections *connections
}

// Open connects to the token and checks that key, certificate and configuration match. Call Close
// to close the sessions.
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
	new(certchain.Watch).See(cfg.Log.WithValues("credential", cfg.Name), chain)
	p := &Provider{connections: &connections{
		cfg: cfg, connect: m.connect, current: c, users: make(map[*connection]int),
	}}
	credential, err := newCredential(cfg, c.kind, chain)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open PKCS #11 key: %w", err)
	}
	p.kept.Store(credential)
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
		Free: cfg.Free,
	}, nil
}

// Credential implements signing.Provider.
func (p *Provider) Credential(context.Context) (*signing.Credential, error) {
	return p.kept.Load(), nil
}

// Sign implements signing.Provider. A module cannot be interrupted. When ctx ends, Sign returns at
// once, the module finishes the current signature, its value is dropped, and the outcome is
// unknown. If a connection is being opened, the next call uses it.
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

// Close closes the sessions after running signatures have ended. Later calls fail.
func (p *Provider) Close() { p.connections.close() }

// signOnce is Sign on the current connection. again means that the connection was lost before any
// signature was started, so the caller may try once more with a new connection.
func (p *Provider) signOnce(ctx context.Context, call signing.Call) (values [][]byte, again bool, err error) {
	c, err := p.connections.acquire(ctx)
	if err != nil {
		return nil, false, classify(err, 0)
	}
	b := newBatch(p, c, call.Digests)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run(ctx)
		p.connections.release(c, lost(b.failure()))
	}()
	select {
	case <-done:
	case <-ctx.Done():
		b.stop(ctx.Err())
		return nil, false, classify(ctx.Err(), b.started())
	}
	if err := b.failure(); err != nil {
		return nil, lost(err) && b.started() == 0, classify(err, b.started())
	}
	return b.values, false, nil
}

// check refuses invalid calls before the key is used.
func (p *Provider) check(ctx context.Context, call signing.Call) error {
	if err := ctx.Err(); err != nil {
		return classify(err, 0)
	}
	if n := len(call.Digests); n < 1 || n > p.kept.Load().MaxBatch {
		return signing.Errorf(signing.KindProvider, "a call of %d digests is not possible", n)
	}
	for i, d := range call.Digests {
		if len(d) != p.kept.Load().Hash.Size() {
			return signing.Errorf(signing.KindProvider,
				"digest %d has %d bytes, %v has %d", i, len(d), p.kept.Load().Hash, p.kept.Load().Hash.Size())
		}
	}
	return nil
}

var _ signing.Provider = (*Provider)(nil)

func pinRefused(err error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case pkcs11.CKR_PIN_INCORRECT,
		pkcs11.CKR_PIN_INVALID,
		pkcs11.CKR_PIN_LEN_RANGE,
		pkcs11.CKR_PIN_EXPIRED,
		pkcs11.CKR_PIN_LOCKED:
		return true
	}
	return false
}

// classify converts err into a domain error. started is the number of signatures that may have been
// made.
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
