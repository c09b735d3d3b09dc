//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"errors"
	"sync"

	"github.com/miekg/pkcs11"
)

// attempt is one attempt to connect. All calls that need a connection share it. So a module that
// hangs blocks one goroutine, not one for each call, and a PIN is tried once.
type attempt struct {
	done chan struct{}
	err  error // valid when done is closed; nil: the provider has a current connection
}

// connections keeps one connection to the token, and replaces it when it is lost. It is safe for
// concurrent use.
type connections struct {
	cfg     Config
	connect func(Config) (*connection, error) // Module.connect

	mu      sync.Mutex
	current *connection // nil: no connection; the next call connects
	attempt *attempt    // the attempt to connect that is under way; nil: none
	users   map[*connection]int
	refused error // the token refused the PIN; the PIN is not sent again
	closed  bool
}

// acquire returns the current connection, and connects first if the last connection was lost. It
// waits until ctx ends. The caller must call release afterwards.
func (t *connections) acquire(ctx context.Context) (*connection, error) {
	for {
		c, a, err := t.use()
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
func (t *connections) use() (*connection, *attempt, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, nil, errClosed
	case t.refused != nil:
		return nil, nil, t.refused
	case t.current != nil:
		t.users[t.current]++
		return t.current, nil, nil
	}
	if t.attempt == nil {
		t.attempt = &attempt{done: make(chan struct{})}
		go t.try(t.attempt, t.cfg)
	}
	return nil, t.attempt, nil
}

// try connects. It waits as long as the module takes.
func (t *connections) try(a *attempt, cfg Config) {
	c, err := t.connect(cfg)
	t.mu.Lock()
	t.attempt = nil
	switch {
	case err != nil:
		if pinRefused(err) {
			t.refused = err
		}
	case t.closed:
		err = errClosed
	default:
		t.current, c = c, nil
		t.cfg.Log.Info("connected to the token again", "credential", t.cfg.Name)
	}
	t.mu.Unlock()
	if c != nil {
		c.close()
	}
	a.err = err
	close(a.done)
}

var errClosed = errors.New("the provider is closed")

// release ends one use of a connection. broken means that the connection is broken and must not be
// used again. The last caller that releases such a connection closes it.
func (t *connections) release(c *connection, broken bool) {
	t.mu.Lock()
	t.users[c]--
	if broken && t.current == c {
		t.current = nil
	}
	unused := t.unused(c)
	t.mu.Unlock()
	if unused {
		c.close() // without the lock, because the module may take long
	}
}

// unused reports whether c is not the current connection and nobody uses it any more, so that the
// caller must close it. The caller must hold mu.
func (t *connections) unused(c *connection) bool {
	if c == t.current || t.users[c] > 0 {
		return false
	}
	delete(t.users, c)
	return true
}

// close closes the sessions after running signatures have ended. Later calls of acquire fail.
func (t *connections) close() {
	t.mu.Lock()
	t.closed = true
	c := t.current
	t.current = nil
	unused := c != nil && t.unused(c)
	t.mu.Unlock()
	if unused {
		c.close()
	}
}

// replace makes c the connection of all later calls, and calls accept under the lock. If the
// provider is closed, it closes c and returns an error.
func (t *connections) replace(c *connection, accept func()) error {
	t.mu.Lock()
	old := c
	err := classify(errClosed, 0)
	if !t.closed {
		old, err = t.current, nil
		t.current = c
		accept()
	}
	unused := old != nil && t.unused(old)
	t.mu.Unlock()
	if unused {
		old.close() // without the lock, because the module may take long
	}
	return err
}

// unusable returns why no connection can be used: the token refused the PIN, or the provider is
// closed. Otherwise it returns nil.
func (t *connections) unusable() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed
	}
	return t.refused
}

// notePIN remembers err if it says that the token refused the PIN, so that the PIN is not sent
// again. It returns err.
func (t *connections) notePIN(err error) error {
	if pinRefused(err) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.refused = err
	}
	return err
}

// lost reports whether the sessions cannot be used any more after err.
func lost(err error) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_ERROR,
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_KEY_HANDLE_INVALID,
		pkcs11.CKR_OBJECT_HANDLE_INVALID,
		pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_OPERATION_ACTIVE:
		return true
	}
	return false
}
