package main

import (
	"context"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeProvider is a provider whose methods are never called.
type fakeProvider struct{ name string }

func (*fakeProvider) Credential(context.Context) (*signing.Credential, error) { return nil, nil }
func (*fakeProvider) Sign(context.Context, signing.Call) ([][]byte, error)    { return nil, nil }

func services(t *testing.T, list ...clientservice.ClientService) *clientservice.Services {
	t.Helper()
	for i := range list {
		list[i].Secret = clientservice.NewSecret("a long enough secret")
	}
	s, err := clientservice.NewServices(list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestProvidersAtDomain checks that each client service has its own provider exactly as long as it
// is configured.
func TestProvidersAtDomain(t *testing.T) {
	current := services(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"})
	made := 0
	s := &providers{
		clients:  func() *clientservice.Services { return current },
		own:      make(map[string]signing.Provider),
		log:      logr.Discard(),
		atDomain: func(id string) (signing.Provider, error) { made++; return &fakeProvider{id}, nil },
	}
	ask := func(id string) signing.Provider {
		t.Helper()
		p, err := s.forClient(id)
		if err != nil {
			t.Fatalf("forClient(%s): %v", id, err)
		}
		if got := p.(*fakeProvider).name; got != id {
			t.Errorf("forClient(%s) is the provider of %s", id, got)
		}
		return p
	}
	first := ask("a")
	if ask("a") != first || ask("b") == first || made != 2 {
		t.Errorf("%d providers were made for two client services", made)
	}
	current = services(t, clientservice.ClientService{ID: "b"})
	ask("b")
	if len(s.own) != 1 {
		t.Errorf("%d providers are kept for one client service", len(s.own))
	}
	if _, err := s.forClient("a"); signing.KindOf(err) != signing.KindConfiguration || !signing.AsError(err).Retry {
		t.Errorf("forClient of one that has gone = %v, want KindConfiguration, and a retry since it may be back", err)
	}
	current = services(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"})
	if ask("a") == first {
		t.Error("a client service that came back has its old provider, with the old secret's token")
	}
}

func TestProvidersByName(t *testing.T) {
	standard, seal := &fakeProvider{"standard"}, &fakeProvider{"seal"}
	current := services(
		t,
		clientservice.ClientService{ID: "a"},
		clientservice.ClientService{ID: "b", Provider: "seal"},
		clientservice.ClientService{ID: "c", Provider: "x"},
	)
	s := &providers{
		clients:  func() *clientservice.Services { return current },
		named:    map[string]signing.Provider{"seal": seal},
		standard: standard,
		log:      logr.Discard(),
	}
	for id, want := range map[string]signing.Provider{"a": standard, "b": seal, "gone": standard} {
		if got, err := s.forClient(id); got != want || err != nil {
			t.Errorf("forClient(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	if got, err := s.forClient(
		"c",
	); got != nil || signing.KindOf(err) != signing.KindConfiguration ||
		signing.AsError(err).Retry {
		t.Errorf("forClient of an unknown provider = %v, %v, want KindConfiguration", got, err)
	}
}

func TestCredentialLabel(t *testing.T) {
	for name, want := range map[string]string{domainPrefix + "PRT.1": "service-domain", "seal": "seal", "embedded": "embedded"} {
		if got := credentialLabel(name); got != want {
			t.Errorf("credentialLabel(%s) = %s, want %s", name, got, want)
		}
	}
}

// TestProviderKinds checks that every kind can be opened and that empty settings are refused.
func TestProviderKinds(t *testing.T) {
	for kind, settings := range providerKinds() {
		if _, ok := settings().(opener); !ok {
			t.Errorf("kind %s cannot be opened", kind)
		}
		if bad := settings().Validate(); (len(bad) == 0) != (kind == "embedded") {
			t.Errorf("kind %s with nothing set: mistakes %v", kind, bad)
		}
	}
}

// moodyProvider is a provider whose credential can be read or not, as the test sets.
type moodyProvider struct {
	mu    sync.Mutex
	fault *signing.Error
	asked int
	ends  time.Time // of the certificate
}

func (p *moodyProvider) cheerUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = nil
}

func (*moodyProvider) Sign(context.Context, signing.Call) ([][]byte, error) { return nil, nil }

func (p *moodyProvider) Credential(context.Context) (*signing.Credential, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.fault != nil {
		return nil, p.fault
	}
	return &signing.Credential{Name: "seal", Chain: []*x509.Certificate{{NotAfter: p.ends}}}, nil
}

// TestWatchCredentials checks that a credential that could not be read is read again although
// nobody signs, and at once if client services have changed. A credential that could be read is not
// read again until its certificate expires. A remote side that refused us is not asked again soon.
func TestWatchCredentials(t *testing.T) {
	passing, refused := signing.Errorf(
		signing.KindProvider,
		"away",
	).Retryable(
		0,
	), signing.Errorf(
		signing.KindProviderCredentials,
		"refused",
	)
	for _, c := range []struct {
		name    string
		fault   *signing.Error
		after   time.Duration
		changed bool
		asked   int
		seen    bool          // whether the credential is readable again
		ends    time.Duration // of the certificate
	}{
		{"readable", nil, 24 * time.Hour, true, 1, true, 48 * time.Hour},
		{"away", passing, 2 * time.Minute, false, 2, true, 48 * time.Hour},
		{"refused", refused, 30 * time.Minute, false, 1, false, 48 * time.Hour},
		{"refused for long", refused, 2 * time.Hour, false, 2, true, 48 * time.Hour},
		{"refused until it was changed", refused, 2 * time.Minute, true, 2, true, 48 * time.Hour},
		{"ends", nil, 150 * time.Second, false, 2, false, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				moody, h := &moodyProvider{fault: c.fault, ends: time.Now().Add(c.ends)}, newHealth(prometheus.NewRegistry())
				var current atomic.Pointer[clientservice.Services]
				current.Store(services(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"}))
				s := &providers{
					clients:      current.Load,
					standard:     moody,
					standardName: "seal",
					log:          logr.Discard(),
					read:         h.read,
					unreadable:   h.unreadable,
					lapsed:       h.lapsed,
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { s.watchCredentials(ctx); close(ended) }()
				synctest.Wait()
				if got := h.unreadable("seal") == nil; got != (c.fault == nil) {
					t.Errorf("at the start it is readable: %v", got)
				}
				moody.cheerUp()
				if c.changed {
					current.Store(services(t, clientservice.ClientService{ID: "a"}))
				}
				time.Sleep(c.after)
				if got := h.unreadable("seal") == nil; got != c.seen {
					t.Errorf("after %v it is readable: %v, want %v", c.after, got, c.seen)
				}
				stop()
				<-ended
				if moody.asked != c.asked {
					t.Errorf("it was asked for %d times, want %d", moody.asked, c.asked)
				}
			})
		})
	}
}
