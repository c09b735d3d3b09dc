//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"errors"

	"github.com/miekg/pkcs11"
)

// attempt is one attempt to connect. All calls that need a connection share it. So a module that
// hangs blocks one goroutine, not one for each call, and a PIN is tried once.
type attempt struct {
	done chan struct{}
	err  error // valid when done is closed; nil: the provider has a current connection
}

// acquire returns the current connection, and connects first if the last connection was lost. It
// waits until ctx ends. The caller must call release afterwards.
func (p *Provider) acquire(ctx context.Context) (*connection, error) {
	for {
		c, a, err := p.use()
		if c != nil || err != nil {
			return c, err
		}
		select {
		case <-a.done:
			if a.err != nil {
				return nil, a.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// use returns the current connection, or the attempt that will create one.
func (p *Provider) use() (*connection, *attempt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, nil, errClosed
	case p.refused != nil:
		return nil, nil, p.refused
	case p.current != nil:
		p.users[p.current]++
		return p.current, nil, nil
	}
	if p.attempt == nil {
		p.attempt = &attempt{done: make(chan struct{})}
		go p.try(p.attempt, p.cfg)
	}
	return nil, p.attempt, nil
}

// try connects. It waits as long as the module takes.
func (p *Provider) try(a *attempt, cfg Config) {
	c, err := p.connect(cfg)
	p.mu.Lock()
	p.attempt = nil
	switch {
	case err != nil:
		if pinRefused(err) {
			p.refused = err
		}
	case p.closed:
		err = errClosed
	default:
		p.current, c = c, nil
		p.cfg.Log.Info("connected to the token again", "credential", p.cfg.Name)
	}
	p.mu.Unlock()
	if c != nil {
		c.close()
	}
	a.err = err
	close(a.done)
}

var errClosed = errors.New("the provider is closed")

// release ends one use of a connection. given means that the connection is broken and must not be
// used again. The last caller that releases such a connection closes it.
func (p *Provider) release(c *connection, given bool) {
	p.mu.Lock()
	p.users[c]--
	if given && p.current == c {
		p.current = nil
	}
	unused := p.unused(c)
	p.mu.Unlock()
	if unused {
		c.close() // without the lock, because the module may take long
	}
}

// unused reports whether c is not the current connection and nobody uses it any more, so that the
// caller must close it. The caller must hold mu.
func (p *Provider) unused(c *connection) bool {
	if c == p.current || p.users[c] > 0 {
		return false
	}
	delete(p.users, c)
	return true
}

// Close closes the sessions after running signatures have ended. Later calls fail.
func (p *Provider) Close() {
	p.mu.Lock()
	p.closed = true
	c := p.current
	p.current = nil
	unused := c != nil && p.unused(c)
	p.mu.Unlock()
	if unused {
		c.close()
	}
}

// lost reports whether the sessions cannot be used any more after err.
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
