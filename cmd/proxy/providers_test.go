package main

import (
	"context"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeProvider is a provider that nobody calls.
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

// TestProvidersAtDomain: each client service has a provider of its own for as long as it is configured, and no longer.
func TestProvidersAtDomain(t *testing.T) {
	current := services(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"})
	made := 0
	s := &providers{
		clients: func() *clientservice.Services { return current }, own: make(map[string]signing.Provider), log: logr.Discard(),
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
	current := services(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b", Provider: "seal"}, clientservice.ClientService{ID: "c", Provider: "x"})
	s := &providers{
		clients: func() *clientservice.Services { return current }, named: map[string]signing.Provider{"seal": seal}, standard: standard, log: logr.Discard(),
	}
	for id, want := range map[string]signing.Provider{"a": standard, "b": seal, "gone": standard} {
		if got, err := s.forClient(id); got != want || err != nil {
			t.Errorf("forClient(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	if got, err := s.forClient("c"); got != nil || signing.KindOf(err) != signing.KindConfiguration || signing.AsError(err).Retry {
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

// TestProviderKinds wants every kind to be openable and to find fault with nothing at all.
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
