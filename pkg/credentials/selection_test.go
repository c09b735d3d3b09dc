package credentials_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestProviderAtDomain checks that each client service has its own provider exactly as long as it
// is configured.
func TestProviderAtDomain(t *testing.T) {
	current, domain := services(t, "a", "b"), &fakeDomain{}
	s := newSet(t, credentials.Config{ClientServices: current, AtDomain: domain})
	provider := func(id string) signing.Provider {
		t.Helper()
		p, err := s.Provider(id)
		if err != nil {
			t.Fatalf("Provider(%s): %v", id, err)
		}
		if got := p.(*fakeProvider).name; got != "service-domain/"+id {
			t.Errorf("Provider(%s) has the credential %s", id, got)
		}
		return p
	}
	first := provider("a")
	if provider("a") != first || provider("b") == first || len(domain.opened) != 2 {
		t.Errorf("%d providers were opened for two client services, want 2", len(domain.opened))
	}
	second := provider("b")
	current.set(t, clientservice.ClientService{ID: "b"})
	if provider("b") != second {
		t.Error("the provider of b was opened again although only a was removed")
	}
	_, err := s.Provider("a")
	if signing.KindOf(err) != signing.KindConfiguration || !signing.AsError(err).Retry {
		t.Errorf("Provider of a removed client service = %v, want KindConfiguration with Retry", err)
	}
	current.set(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"})
	if provider("a") == first {
		t.Error("a client service that returned has its old provider, with the token for the old secret")
	}
}

// TestProviderAtDomainFails checks that a provider that could not be opened is not kept, and that
// the client does not see the cause.
func TestProviderAtDomainFails(t *testing.T) {
	domain := &fakeDomain{err: errors.New("internal text")}
	s := newSet(t, credentials.Config{ClientServices: services(t, "a"), AtDomain: domain})
	for range 2 {
		_, err := s.Provider("a")
		e := signing.AsError(err)
		if e == nil || e.Kind != signing.KindConfiguration || !errors.Is(err, domain.err) ||
			e.Detail != "the configuration of the remote signing service has mistakes" {
			t.Errorf("Provider(a) = %v", err)
		}
	}
	if len(domain.opened) != 2 {
		t.Errorf("opened %d times, want once for each call", len(domain.opened))
	}
}

// TestProviderByName checks that an entry selects its provider, and that no other provider signs if
// that one does not exist.
func TestProviderByName(t *testing.T) {
	standard, seal := &fakeProvider{name: "standard"}, &fakeProvider{name: "seal"}
	current := &fakeServices{}
	current.set(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b", Provider: "seal"},
		clientservice.ClientService{ID: "c", Provider: "x"})
	s := newSet(t, credentials.Config{
		ClientServices: current, Named: map[string]signing.Provider{"seal": seal}, Default: standard, DefaultName: "standard",
	})
	for id, want := range map[string]signing.Provider{"a": standard, "b": seal, "removed": standard} {
		if got, err := s.Provider(id); got != want || err != nil {
			t.Errorf("Provider(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	got, err := s.Provider("c")
	if got != nil || signing.KindOf(err) != signing.KindConfiguration || signing.AsError(err).Retry {
		t.Errorf("Provider with an unknown name = %v, %v, want KindConfiguration without Retry", got, err)
	}
}

// TestIdentity checks that the secrets in force are used: the new one first, then the previous one.
func TestIdentity(t *testing.T) {
	current, domain := services(t, "a"), &fakeDomain{}
	s := newSet(t, credentials.Config{ClientServices: current, AtDomain: domain})
	if _, err := s.Provider("a"); err != nil {
		t.Fatal(err)
	}
	identity := domain.opened[0]
	want := func(secrets ...string) {
		t.Helper()
		if id, got, err := identity.Secrets(); id != "a" || !slices.Equal(got, secrets) || err != nil {
			t.Errorf("Secrets() = %s, %d secrets, %v", id, len(got), err)
		}
	}
	want("a long enough secret")
	current.set(t, clientservice.ClientService{
		ID: "a", Secret: clientservice.NewSecret("another long secret"),
		PreviousSecret: clientservice.NewSecret("a long enough secret"),
	})
	want("another long secret", "a long enough secret")
	current.set(t)
	if _, secrets, err := identity.Secrets(); err == nil || secrets != nil {
		t.Errorf("Secrets of a removed client service: %d secrets, %v, want an error", len(secrets), err)
	}
}

// TestLabel checks that all credentials at the service domain share one label value.
func TestLabel(t *testing.T) {
	for name, want := range map[string]string{
		"service-domain/PRT.1": "service-domain", "seal": "seal", "embedded": "embedded",
	} {
		if got := credentials.Label(name); got != want {
			t.Errorf("Label(%s) = %s, want %s", name, got, want)
		}
	}
}

// TestNew checks that a Set that could sign for nobody is refused.
func TestNew(t *testing.T) {
	for name, cfg := range map[string]credentials.Config{
		"no client services": {AtDomain: &fakeDomain{}},
		"no provider":        {ClientServices: services(t)},
	} {
		if s, err := credentials.New(cfg); s != nil || err == nil {
			t.Errorf("%s: New = %v, %v, want an error", name, s, err)
		}
	}
}
