package servicetest

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// authority is shared by all services of a test binary, because making RSA keys takes a while.
var authority = sync.OnceValues(service.NewAuthority)

// New returns a service that is closed when the test ends. It replaces Options.Authority.
func New(t *testing.T, opts service.Options) *service.Service {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	opts.Authority = a
	s, err := service.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Bubble runs a test with a service, a fake clock and a network of its own. client connects to the
// service whatever the address is. The test fails if a goroutine or connection is left behind.
func Bubble(t *testing.T, opts service.Options, test func(t *testing.T, s *service.Service, client *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(t, opts)
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		test(t, s, client)
	})
}

// Misbehave adds a fault to the service.
func Misbehave(t *testing.T, s *service.Service, f service.Fault) {
	t.Helper()
	if err := s.Misbehave(f); err != nil {
		t.Fatal(err)
	}
}

// Spent returns a function that counts the signatures that the service has made.
func Spent(s *service.Service) func() int {
	return func() int { return int(s.Counts().Signatures) }
}
