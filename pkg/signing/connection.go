package signing

import (
	"context"
	"sync"
)

// connection is the provider of a client service and its credential, as one attempt at an operation
// uses them. It is safe for concurrent use after open has returned.
type connection struct {
	cfg           *Config
	clientService string

	provider Provider // set by open

	mu         sync.Mutex
	credential *Credential // nil = it cannot be used
	fault      *Error      // why the credential cannot be used
}

// open finds the provider and reads its credential. It returns why the credential cannot be used.
func (c *connection) open(ctx context.Context) *Error {
	// The time is for several requests. The provider bounds each of them.
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Batch.CallTimeout)
	defer cancel()
	var credential *Credential
	p, err := c.cfg.Providers(c.clientService)
	if err == nil {
		c.provider = p
		credential, err = usableCredential(ctx, p)
	}
	var fault *Error
	if err != nil {
		fault = AsError(err)
	}
	if f := c.cfg.Observer.CredentialRead; f != nil && ctx.Err() == nil {
		f(c.clientService, credential, fault)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = fault
	if fault == nil {
		c.credential = credential
	}
	return fault
}

// current returns the credential, or why it cannot be used.
func (c *connection) current() (*Credential, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credential, c.fault
}

// renew reads the credential whose certificate was renewed. It returns why the credential cannot be
// used. The credential stays the old one then.
func (c *connection) renew(ctx context.Context) *Error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Batch.CallTimeout)
	defer cancel()
	credential, err := usableCredential(ctx, c.provider)
	if err != nil {
		return AsError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credential = credential
	return nil
}
