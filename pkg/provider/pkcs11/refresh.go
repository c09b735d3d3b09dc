//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var _ signing.Refresher = (*Provider)(nil)

// errChanged says that key and certificate do not match, for example because only one of them has
// been replaced so far.
var errChanged = errors.New("key and certificate do not fit together now")

// Refresh implements signing.Refresher. It connects again and reads key and certificate, because
// both may have been replaced in the token or in the certificate file. A module cannot be
// interrupted: when ctx ends, Refresh returns at once and drops the result of the reading.
func (p *Provider) Refresh(ctx context.Context) (*signing.Credential, error) {
	if err := p.connections.unusable(); err != nil {
		return nil, classify(err, 0)
	}
	type reading struct {
		c   *connection
		now *signing.Credential
		err error
	}
	done := make(chan reading, 1)
	go func() {
		c, now, err := p.readAgain()
		done <- reading{c, now, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, classify(r.err, 0)
		}
		return r.now, p.connections.replace(r.c, func() { p.kept.Store(r.now) })
	case <-ctx.Done():
		go func() {
			if r := <-done; r.c != nil {
				r.c.close()
			}
		}()
		return nil, classify(ctx.Err(), 0)
	}
}

// readAgain opens a new connection and reads key and certificate through it.
func (p *Provider) readAgain() (*connection, *signing.Credential, error) {
	cfg := p.connections.cfg
	c, err := p.connections.connect(cfg)
	if err != nil {
		return nil, nil, p.connections.notePIN(err)
	}
	chain, err := c.chain(cfg)
	if err == nil {
		var now *signing.Credential
		if now, err = newCredential(cfg, c.kind, chain); err == nil {
			return c, now, nil
		}
	}
	c.close()
	return nil, nil, errors.Join(errChanged, err)
}
