package csc_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/loopback"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// startService serves s on loopback.
func startService(t *testing.T, s *service.Service) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	return server.URL
}

func secretFile(t *testing.T, secret string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newHTTP(t *testing.T) *http.Client {
	t.Helper()
	client, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// newProvider makes a provider with the simulation's client id, secret and PIN.
func newProvider(t *testing.T, client *http.Client, set csc.Settings) *csc.Provider {
	t.Helper()
	if set.ClientID == "" {
		set.ClientID, set.ClientSecretFile = service.ClientID, secretFile(t, service.ClientSecret)
	}
	if set.PINFile == "" {
		set.PINFile = secretFile(t, service.PIN)
	}
	p, err := csc.New(csc.Config{Name: "test", Settings: set, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signRenewed signs like the batcher does: it repeats a call that was refused because a token or
// activation data had expired.
func signRenewed(t *testing.T, p signing.Provider, call signing.Call) ([][]byte, error) {
	t.Helper()
	values, err := p.Sign(t.Context(), call)
	for range 2 {
		if !errors.Is(err, signing.ErrRenewed) {
			break
		}
		values, err = p.Sign(t.Context(), call)
	}
	return values, err
}

// renewing is a provider that repeats calls like signRenewed.
type renewing struct {
	signing.Provider
	t *testing.T
}

func (r renewing) Sign(_ context.Context, call signing.Call) ([][]byte, error) {
	return signRenewed(r.t, r.Provider, call)
}

// attempt signs n digests, repeating as the batcher does, and returns the outcome.
func attempt(t *testing.T, s *service.Service, p *csc.Provider, n int) providertest.Outcome {
	t.Helper()
	return providertest.Attempt(t, renewing{p, t}, n, servicetest.Spent(s))
}

// signGood signs n digests and fails the test if that does not work.
func signGood(t *testing.T, p signing.Provider, n int) {
	t.Helper()
	c, err := p.Credential(t.Context())
	if err != nil {
		t.Fatalf("Credential = %v", err)
	}
	call := providertest.NewCall(c.Hash, n)
	values, err := signRenewed(t, p, call)
	if err != nil {
		t.Fatalf("Sign = %v", err)
	}
	if err := providertest.Valid(c, call, values); err != nil {
		t.Fatalf("Sign gave values that are not those of the digests: %v", err)
	}
}

// profiles are variants of the API as real services implement it.
var profiles = []struct {
	name       string
	path       string // "" = find the version by info
	async      bool
	credential service.Credential
	settings   csc.Settings
	otp        string
}{
	{name: "found by info"},
	{name: "v1 with PIN", path: "/csc/v1", credential: service.Credential{PIN: service.PIN}},
	{
		name:       "v1 with PIN and OTP",
		path:       "/csc/v1",
		credential: service.Credential{PIN: service.PIN, OTP: service.OTP},
		otp:        service.OTP,
	},
	{name: "v1 implicit, SCAL 1", path: "/csc/v1", credential: service.Credential{AuthMode: service.Implicit, SCAL: 1}},
	{name: "v1 oauth2code", path: "/csc/v1", credential: service.Credential{AuthMode: service.OAuth2Code}},
	{name: "v1 plain RSA", path: "/csc/v1", credential: service.Credential{Key: service.RSAPlain, PIN: service.PIN}},
	{name: "v1 PSS", path: "/csc/v1", credential: service.Credential{Key: service.RSAPSS, PIN: service.PIN}},
	{name: "v1 ECDSA", path: "/csc/v1", credential: service.Credential{Key: service.ECDSAP256, PIN: service.PIN}},
	{
		name:       "v2 with PIN and OTP",
		path:       "/csc/v2",
		credential: service.Credential{PIN: service.PIN, OTP: service.OTP},
		otp:        service.OTP,
	},
	{name: "v2 nothing asked", path: "/csc/v2", credential: service.Credential{AuthMode: service.Implicit}},
	{name: "v2 oauth2code", path: "/csc/v2", credential: service.Credential{AuthMode: service.OAuth2Code}},
	{name: "v2 PSS", path: "/csc/v2", credential: service.Credential{Key: service.RSAPSS, PIN: service.PIN}},
	{
		name:       "v2 raw ECDSA",
		path:       "/csc/v2",
		credential: service.Credential{Key: service.ECDSAP256, PIN: service.PIN, RawECDSA: true},
	},
	{name: "v2 P-384", path: "/csc/v2", credential: service.Credential{Key: service.ECDSAP384, PIN: service.PIN}},
	{
		name:       "v2 SHA-512",
		path:       "/csc/v2",
		credential: service.Credential{PIN: service.PIN},
		settings:   csc.Settings{Hash: "sha512"},
	},
	{
		name:       "v2 SHA-384 apart",
		path:       "/csc/v2",
		credential: service.Credential{Key: service.RSAPlain, PIN: service.PIN},
		settings:   csc.Settings{Hash: "SHA384"},
	},
	{name: "v2 asynchronous", path: "/csc/v2", async: true, credential: service.Credential{PIN: service.PIN}},
	{
		name:       "v2 asynchronous not wanted",
		path:       "/csc/v2",
		async:      true,
		credential: service.Credential{PIN: service.PIN},
		settings:   csc.Settings{OperationMode: "S"},
	},
}

func TestConformance(t *testing.T) {
	for _, c := range profiles {
		t.Run(c.name, func(t *testing.T) {
			opts := service.Options{Asynchronous: c.async, PendingPolls: -1}
			if c.credential != (service.Credential{}) {
				c.credential.Multisign = 12 // the first profile tests full batches of 100
				opts.Credentials = []service.Credential{c.credential}
			}
			set := c.settings
			if c.otp != "" {
				set.OTPFile = secretFile(t, c.otp)
			}
			var s *service.Service
			var remote *loopback.Server
			providertest.Run(t, providertest.Harness{
				Open: func(t *testing.T) signing.Provider {
					s = servicetest.New(t, opts)
					remote = loopback.Serve(s)
					t.Cleanup(remote.Close)
					set.URL = remote.URL + c.path
					return newProvider(t, remote.Client, set)
				},
				Spent: func() int {
					remote.Settle() // a call that was given up may still be signed: count it here
					return int(s.Counts().Signatures)
				},
			})
		})
	}
}

// TestDomain signs with nothing configured except the documented service domain. The id and the
// secret are those of the client service and may change.
func TestDomain(t *testing.T) {
	s := servicetest.New(t, service.Options{
		ClientServices: map[string]string{"PRT.1-2-3": "first", "PRT.1-2-4": "second"},
		Credentials:    []service.Credential{{AuthMode: service.Implicit}},
	})
	id, secrets := "PRT.1-2-3", []string{"first"}
	p, err := csc.New(csc.Config{
		Name: "PRT.1-2-3", Settings: csc.ForDomain(startService(t, s) + "/"), HTTP: newHTTP(t),
		Identity: func() (string, []string, error) { return id, secrets, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	wantTokenCalls := func(want int64) {
		t.Helper()
		signGood(t, p, 2)
		if n := s.Counts().Calls["oauth2/authorization-server/oauth/token"]; n != want {
			t.Errorf("the documented token endpoint was called %d times, want %d", n, want)
		}
		s.RevokeTokens()
	}
	wantTokenCalls(1)
	id, secrets = "PRT.1-2-4", []string{"second"}
	wantTokenCalls(2)
	secrets = []string{"changed-here-first", "second"}
	wantTokenCalls(4)
	wantTokenCalls(5) // the refused secret is tried only after the other one
	secrets = []string{"second", "changed-there-first"}
	wantTokenCalls(6)
}

func TestCredentialFaults(t *testing.T) {
	pin := service.PIN
	cases := []struct {
		name        string
		credentials []service.Credential
		change      func(t *testing.T, set *csc.Settings)
		sign        bool // the error comes from Sign, not from Credential
		kind        signing.Kind
		retry       bool
	}{
		{
			name:        "two credentials and none chosen",
			credentials: []service.Credential{{}, {Key: service.ECDSAP256}},
			kind:        signing.KindConfiguration,
		},
		{
			name:   "no such credential",
			change: func(_ *testing.T, s *csc.Settings) { s.CredentialID = "nobody" },
			kind:   signing.KindConfiguration,
		},
		{name: "disabled", credentials: []service.Credential{{Disabled: true}}, kind: signing.KindProviderAccount},
		{
			name:        "hash that it does not sign",
			credentials: []service.Credential{{Key: service.ECDSAP256}},
			change:      func(_ *testing.T, s *csc.Settings) { s.Hash = "sha512" },
			kind:        signing.KindConfiguration,
		},
		{
			name:   "algorithm that it does not sign",
			change: func(_ *testing.T, s *csc.Settings) { s.Algorithm = "PSS" },
			kind:   signing.KindConfiguration,
		},
		{
			name:   "operation mode that is not offered",
			change: func(_ *testing.T, s *csc.Settings) { s.OperationMode = "A" },
			kind:   signing.KindConfiguration,
		},
		{
			name:   "no API there",
			change: func(_ *testing.T, s *csc.Settings) { s.URL += "/elsewhere" },
			kind:   signing.KindConfiguration,
		},
		{
			name:   "nobody there",
			change: func(_ *testing.T, s *csc.Settings) { s.URL = "http://127.0.0.1:1" },
			kind:   signing.KindProvider,
			retry:  true,
		},
		{name: "wrong secret", change: func(t *testing.T, s *csc.Settings) {
			s.ClientID, s.ClientSecretFile = service.ClientID, secretFile(t, "wrong")
		}, kind: signing.KindProviderCredentials},
		{name: "secret file gone", change: func(_ *testing.T, s *csc.Settings) {
			s.ClientID, s.ClientSecretFile = service.ClientID, "/nonexistent/secret"
		}, kind: signing.KindConfiguration},
		{
			name:   "wrong PIN",
			change: func(t *testing.T, s *csc.Settings) { s.PINFile = secretFile(t, "000000") },
			sign:   true,
			kind:   signing.KindProviderCredentials,
		},
		{
			name:        "OTP wanted and not there",
			credentials: []service.Credential{{PIN: pin, OTP: "1"}},
			sign:        true,
			kind:        signing.KindConfiguration,
		},
	}
	for _, version := range []string{"/csc/v1", "/csc/v2"} {
		for _, c := range cases {
			t.Run(version[5:]+" "+c.name, func(t *testing.T) {
				s := servicetest.New(t, service.Options{Credentials: c.credentials})
				set := csc.Settings{URL: startService(t, s) + version}
				if c.change != nil {
					c.change(t, &set)
				}
				p := newProvider(t, newHTTP(t), set)
				credential, err := p.Credential(t.Context())
				if c.sign {
					if err != nil {
						t.Fatalf("Credential = %v", err)
					}
					_, err = p.Sign(t.Context(), providertest.NewCall(credential.Hash, 2))
				}
				var e *signing.Error
				if !errors.As(err, &e) || e.Kind != c.kind || e.Retry != c.retry || e.Unknown || e.Detail == "" {
					t.Errorf("error = %v (%+v), want kind %s, retry %v, a detail, and the outcome known", err, e, c.kind, c.retry)
				}
				if n := s.Counts().Signatures; n != 0 {
					t.Errorf("%d signatures were made, want 0", n)
				}
			})
		}
	}
}

// TestSlowAuthorization signs with a service where a person has to agree first.
func TestSlowAuthorization(t *testing.T) {
	opts := service.Options{Credentials: []service.Credential{{PIN: service.PIN, Slow: 3}}}
	set := csc.Settings{URL: "http://simulated.invalid/csc/v2"}
	bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		signGood(t, p, 2)
		if n := s.Counts().Calls["csc/v2/credentials/authorizeCheck"]; n != 3 {
			t.Errorf("authorizeCheck was called %d times, want 3", n)
		}
	})
}

// TestBatchBound checks that multisign bounds a call, that the setting lowers the bound, and that
// without the setting a call has at most 100 digests.
func TestBatchBound(t *testing.T) {
	for _, c := range []struct{ multisign, set, want int }{
		{7, 0, 7}, {7, 5, 5}, {7, 50, 7}, {2147483647, 0, 100}, {300, 250, 250},
	} {
		credential := service.Credential{Multisign: c.multisign, PIN: service.PIN}
		s := servicetest.New(t, service.Options{Credentials: []service.Credential{credential}})
		p := newProvider(t, newHTTP(t), csc.Settings{URL: startService(t, s), MaxBatch: c.set})
		got, err := p.Credential(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got.MaxBatch != c.want {
			t.Errorf("MaxBatch with multisign %d and setting %d = %d, want %d", c.multisign, c.set, got.MaxBatch, c.want)
		}
	}
}

func noteInto(handle *string) func(context.Context, string) error {
	return func(_ context.Context, h string) error {
		*handle = h
		return nil
	}
}
