//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"errors"

	"github.com/miekg/pkcs11"
)

// attempt is one to connect, shared by whoever needs a connection: a module that hangs holds one
// goroutine, not one a call, and a PIN is tried once.
type attempt struct {
	done chan struct{}
	err  error // once done; nil: the provider's current connection
}

// acquire returns the connection, made anew if the last one was lost. Release must follow. It waits
// no longer than ctx.
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

// use returns the current connection, or the attempt that is to bring one.
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

// try connects, for as long as the module takes.
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

// release ends a use; given = the connection is of no more use to anybody. The last one to release
// such a connection closes it.
func (p *Provider) release(c *connection, given bool) {
	p.mu.Lock()
	p.users[c]--
	if given && p.current == c {
		p.current = nil
	}
	unused := p.unused(c)
	p.mu.Unlock()
	if unused {
		c.close() // without the lock: the module may take its time
	}
}

// unused takes note of a connection that was given up and that nobody uses any more: it is to be
// closed. Guarded by mu.
func (p *Provider) unused(c *connection) bool {
	if c == p.current || p.users[c] > 0 {
		return false
	}
	delete(p.users, c)
	return true
}

// Close gives the sessions back once running signatures have ended; later calls fail.
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
