// Package remotecredential caches what a remote signing service says about a credential.
package remotecredential

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/fresh"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// refreshAfter is how long a description is fresh. A renewed certificate is used after that time
	// at the latest.
	refreshAfter = 10 * time.Minute
	// staleFor is how long a stale description is used when the service does not answer. Its
	// certificate must still be valid.
	staleFor = 24 * time.Hour
	// refreshPause is the time between two attempts to refresh while a stale description is used.
	refreshPause = 30 * time.Second
)

// Description is what a provider knows about a credential. It is immutable and is replaced as a
// whole.
type Description interface {
	Certificate() *x509.Certificate
}

// Config says where a description comes from. All fields are required.
type Config[D Description, H any] struct {
	Service    string // its name in texts for clients
	Credential string // its name in logs
	Log        logr.Logger
	// Read asks the service. One call runs at a time.
	Read func(context.Context) (D, *remotefault.Failure[H])
}

// Cache is the cached description of one credential. A stale description is used while it is being
// refreshed, and after a refresh that failed with a retryable error. It is safe for concurrent use
// and starts no goroutine.
type Cache[D Description, H any] struct {
	cfg   Config[D, H]
	value *fresh.Value[D]
}

// New returns an empty Cache. It does not call the service yet.
func New[D Description, H any](cfg Config[D, H]) *Cache[D, H] {
	c := &Cache[D, H]{cfg: cfg}
	c.value = fresh.New(fresh.Config[D]{
		Ask: c.ask, For: refreshAfter, Pause: refreshPause, StillGood: c.stillGood,
	})
	return c
}

func (c *Cache[D, H]) ask(ctx context.Context) (D, error) {
	d, f := c.cfg.Read(ctx)
	if f != nil {
		return d, f.Error
	}
	return d, nil
}

func (c *Cache[D, H]) stillGood(stale D, age time.Duration, err error) bool {
	ok := age < staleFor && time.Now().Before(stale.Certificate().NotAfter)
	if err == nil {
		return ok
	}
	ok = ok && signing.AsError(err).Retry
	c.cfg.Log.Info("could not refresh the credential",
		"credential", c.cfg.Credential, "staleIsUsed", ok, "reason", err.Error())
	return ok
}

// Get returns the description. It asks the service if the description is stale.
func (c *Cache[D, H]) Get(ctx context.Context) (D, *remotefault.Failure[H]) {
	d, err := c.value.Get(ctx)
	return d, c.failure(err)
}

// Renew asks the service now. It returns the failure even if the stale description may still be
// used.
func (c *Cache[D, H]) Renew(ctx context.Context) (D, *remotefault.Failure[H]) {
	d, err := c.value.Renew(ctx)
	return d, c.failure(err)
}

// Forget makes the next Get ask the service. The provider calls it when the description seems to be
// out of date.
func (c *Cache[D, H]) Forget() { c.value.Forget() }

func (c *Cache[D, H]) failure(err error) *remotefault.Failure[H] {
	if err == nil {
		return nil
	}
	return remotefault.Undescribed[H](c.cfg.Service, err)
}
