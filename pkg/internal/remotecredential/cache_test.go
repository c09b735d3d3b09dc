package remotecredential_test

import (
	"context"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotecredential"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

type hint int

// described is a description whose certificate is valid until a time.
type described struct {
	number   int
	notAfter time.Time
}

func (d *described) Certificate() *x509.Certificate { return &x509.Certificate{NotAfter: d.notAfter} }

// remote is a service that describes its credential, or fails.
type remote struct {
	calls    int
	lifetime time.Duration // of certificates
	failure  *remotefault.Failure[hint]
}

func (r *remote) read(context.Context) (*described, *remotefault.Failure[hint]) {
	r.calls++
	if r.failure != nil {
		return nil, r.failure
	}
	return &described{r.calls, time.Now().Add(r.lifetime)}, nil
}

func (r *remote) cache() *remotecredential.Cache[*described, hint] {
	return remotecredential.New(remotecredential.Config[*described, hint]{
		Service: "the service", Credential: "seal", Log: logr.Discard(), Read: r.read,
	})
}

func down() *remotefault.Failure[hint] {
	return remotefault.New[hint](signing.KindProvider, "down").Retryable(0)
}

// TestGet checks that a description is used for ten minutes, and then asked for again.
func TestGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &remote{lifetime: 365 * 24 * time.Hour}
		c := r.cache()
		for _, step := range []struct {
			pause time.Duration // fake
			want  int
		}{{0, 1}, {9 * time.Minute, 1}, {2 * time.Minute, 2}} {
			time.Sleep(step.pause)
			if d, f := c.Get(t.Context()); f != nil || d.number != step.want {
				t.Errorf("Get = %v, %v, want description %d", d, f, step.want)
			}
		}
		c.Forget()
		if d, f := c.Get(t.Context()); f != nil || d.number != 3 {
			t.Errorf("Get after Forget = %v, %v, want description 3", d, f)
		}
	})
}

// TestStale checks when a stale description is used although the service fails: for a day, while
// the certificate is valid, and only if the failure is temporary.
func TestStale(t *testing.T) {
	for name, test := range map[string]struct {
		lifetime, age time.Duration
		failure       *remotefault.Failure[hint]
		used          bool
	}{
		"an hour":             {365 * 24 * time.Hour, time.Hour, down(), true},
		"two days":            {365 * 24 * time.Hour, 48 * time.Hour, down(), false},
		"expired certificate": {30 * time.Minute, time.Hour, down(), false},
		"permanent failure": {
			365 * 24 * time.Hour, time.Hour, remotefault.New[hint](signing.KindProviderAccount, "locked"), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &remote{lifetime: test.lifetime}
				c := r.cache()
				if _, f := c.Get(t.Context()); f != nil {
					t.Fatal(f)
				}
				r.failure = test.failure
				time.Sleep(test.age) // fake
				if d, f := c.Get(t.Context()); (f == nil) != test.used || f == nil && d.number != 1 {
					t.Errorf("Get = %v, %v, want the stale description: %v", d, f, test.used)
				}
				if _, f := c.Renew(t.Context()); f == nil || f.Kind != test.failure.Kind || f.Error == test.failure.Error {
					t.Errorf("Renew = %v, want a copy of the failure %v", f, test.failure)
				}
			})
		})
	}
}
