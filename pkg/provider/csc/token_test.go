package csc_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// atOnce signs in the given number of goroutines and returns the errors.
func atOnce(t *testing.T, p *csc.Provider, goroutines, digests int) []error {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, goroutines)
	for i := range goroutines {
		all.Go(func() {
			c, err := p.Credential(t.Context())
			if err == nil {
				_, err = p.Sign(t.Context(), providertest.NewCall(c.Hash, digests))
			}
			errs[i] = err
		})
	}
	all.Wait()
	return errs
}

// TestTokenOfOneSecond signs 1,000 digests with tokens that last one second, at a slow service.
func TestTokenOfOneSecond(t *testing.T) {
	opts := service.Options{TokenLifetime: time.Second, Latency: 100 * time.Millisecond}
	set := csc.Settings{URL: "http://simulated.invalid"}
	bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		start := time.Now()
		for range 25 {
			for _, err := range atOnce(t, p, 4, 10) {
				if err != nil {
					t.Fatalf("Sign = %v", err)
				}
			}
		}
		n := s.Counts()
		if n.Signatures != 1000 {
			t.Errorf("%d signatures were made, want 1000", n.Signatures)
		}
		// Each token is renewed after four fifths of its lifetime, so none is refused and none is
		// wasted.
		if most := int64(time.Since(start)/(700*time.Millisecond)) + 2; n.Tokens > most {
			t.Errorf("%d tokens were fetched in %v, want %d at most", n.Tokens, time.Since(start), most)
		}
	})
}

// TestWrongSecret checks that many callers with a wrong secret get the error, and that the token
// endpoint does not get a call for each of them.
func TestWrongSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servicetest.New(t, service.Options{})
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		secret := secretFile(t, "wrong")
		p := newProvider(t, client,
			csc.Settings{URL: "http://simulated.invalid", ClientID: service.ClientID, ClientSecretFile: secret})
		start := time.Now()
		for range 100 {
			for _, err := range atOnce(t, p, 20, 1) {
				if e := signing.AsError(err); e == nil || e.Kind != signing.KindProviderCredentials || e.Retry || e.Unknown {
					t.Fatalf("error = %v, want provider-credentials without retry", err)
				}
				if strings.Contains(err.Error(), "wrong") {
					t.Fatalf("error %v holds the secret", err)
				}
			}
			time.Sleep(100 * time.Millisecond) // fake
		}
		if n, took := tokenCalls(s), time.Since(start); n > 3*int64(took/time.Second) || took > 11*time.Second {
			t.Errorf("%d token calls in %v, want 3 a second at most, and nobody kept waiting", n, took)
		}
		// The correct secret is used as soon as the file contains it.
		if err := os.WriteFile(secret, []byte(service.ClientSecret), 0o600); err != nil {
			t.Fatal(err)
		}
		signGood(t, p, 1)
	})
}

// tokenWatch records when each token call reaches the service.
type tokenWatch struct {
	http.Handler
	mu    sync.Mutex
	times []time.Time
}

// ServeHTTP implements http.Handler.
func (w *tokenWatch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.mu.Lock()
		w.times = append(w.times, time.Now())
		w.mu.Unlock()
	}
	w.Handler.ServeHTTP(rw, r)
}

// wantThreeASecond checks that any window of one second has at most three calls, and that there
// were at least least calls in total.
func (w *tokenWatch) wantThreeASecond(t *testing.T, least int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.times) < least {
		t.Errorf("%d token calls, want at least %d: the rest shows nothing", len(w.times), least)
	}
	for i := 3; i < len(w.times); i++ {
		if span := w.times[i].Sub(w.times[i-3]); span < time.Second {
			t.Fatalf("token calls %d to %d came within %v, want at most three in any second", i-3, i, span)
		}
	}
}

// TestThreeTokenCallsASecond checks that no window of one second ever contains a fourth token call,
// whatever is wrong with the token or the secret.
func TestThreeTokenCallsASecond(t *testing.T) {
	for _, c := range []struct {
		name, secret string
		fault        *service.Fault // from the start
		revoke       bool           // all tokens, every 50 ms
		least        int
	}{
		{"wrong secret", "wrong", nil, false, 5},
		{"tokens revoked all the time", service.ClientSecret, nil, true, 15},
		{
			"every token refused", service.ClientSecret,
			&service.Fault{Endpoint: "credentials/list", Misbehaviour: service.ExpiredToken}, false, 15,
		},
		{
			"token endpoint fails", service.ClientSecret, &service.Fault{Endpoint: "token", Misbehaviour: service.ErrorBefore},
			false, 15,
		},
		{
			"token endpoint cuts connections", service.ClientSecret,
			&service.Fault{Endpoint: "token", Misbehaviour: service.CutBefore}, false, 15,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servicetest.New(t, service.Options{})
				watch := &tokenWatch{Handler: s}
				client, stop := pipenet.Serve(watch)
				defer stop()
				defer s.Close()
				if c.fault != nil {
					if err := s.Misbehave(*c.fault); err != nil {
						t.Fatal(err)
					}
				}
				p := newProvider(t, client, csc.Settings{
					URL: "http://simulated.invalid", ClientID: service.ClientID, ClientSecretFile: secretFile(t, c.secret),
				})
				for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(50 * time.Millisecond) { // fake
					atOnce(t, p, 5, 1)
					if c.revoke {
						s.RevokeTokens()
					}
				}
				watch.wantThreeASecond(t, c.least)
			})
		})
	}
}

func tokenCalls(s *service.Service) int64 {
	n := s.Counts()
	return n.Calls["oauth2/token"] + n.Calls["oauth2/authorization-server/oauth/token"]
}

// TestRefusedTokens checks that a service that refuses each token that it issues does not get too
// many calls either.
func TestRefusedTokens(t *testing.T) {
	set := csc.Settings{URL: "http://simulated.invalid"}
	bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		signGood(t, p, 1)
		servicetest.Misbehave(t, s, service.Fault{Endpoint: "credentials/authorize", Misbehaviour: service.ExpiredToken})
		before, start := tokenCalls(s), time.Now()
		for range 20 {
			for _, err := range atOnce(t, p, 10, 1) {
				if signing.KindOf(err) != signing.KindProviderCredentials {
					t.Fatalf("error = %v, want provider-credentials", err)
				}
			}
		}
		if n, most := tokenCalls(s)-before, 3*int64(time.Since(start)/time.Second)+3; n > most {
			t.Errorf("%d token calls in %v, want %d at most", n, time.Since(start), most)
		}
	})
}

// TestRevokedTokens checks that revoked tokens are replaced without an error for the callers.
func TestRevokedTokens(t *testing.T) {
	set := csc.Settings{URL: "http://simulated.invalid"}
	bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		for range 5 {
			for _, err := range atOnce(t, p, 5, 2) {
				if err != nil {
					t.Fatalf("Sign = %v", err)
				}
			}
			s.RevokeTokens()
			time.Sleep(time.Second) // fake
		}
		if n := tokenCalls(s); n > 5 {
			t.Errorf("%d token calls for 5 revocations, want one each", n)
		}
	})
}

// TestTokenRenewal checks that a token of one hour is renewed five minutes before it expires, and
// that the old token is used while the renewal fails.
func TestTokenRenewal(t *testing.T) {
	opts := service.Options{TokenLifetime: time.Hour}
	set := csc.Settings{URL: "http://simulated.invalid"}
	bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		signGood(t, p, 1)
		time.Sleep(54 * time.Minute) // fake
		signGood(t, p, 1)
		if n := tokenCalls(s); n != 1 {
			t.Errorf("%d token calls after 54 minutes, want 1", n)
		}
		time.Sleep(90 * time.Second)
		servicetest.Misbehave(t, s, service.Fault{Endpoint: "token", Misbehaviour: service.Unavailable})
		for range 10 {
			signGood(t, p, 1)
		}
		if n := tokenCalls(s); n != 2 {
			t.Errorf("%d token calls while the renewal fails, want 2", n)
		}
		s.Behave()
		time.Sleep(time.Minute)
		signGood(t, p, 1)
		if n := s.Counts().Tokens; n != 2 {
			t.Errorf("%d tokens were fetched, want 2", n)
		}
	})
}

// TestLoginAndIssuer gets tokens by auth/login and by the metadata of an issuer, and refuses an
// address to which the secret may not be sent.
func TestLoginAndIssuer(t *testing.T) {
	info := map[string]any{"specs": "2.0.0.2"}
	var gotID, gotSecret string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /csc/v2/info",
		func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(info) })
	token := func(w http.ResponseWriter, r *http.Request) {
		gotID, gotSecret, _ = r.BasicAuth()
		_, _ = w.Write([]byte(`{"access_token":"good","expires_in":"60"}`))
	}
	mux.HandleFunc("POST /csc/v2/auth/login", token)
	mux.HandleFunc("POST /elsewhere/token", token)
	mux.HandleFunc("GET /.well-known/oauth-authorization-server/realm", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(
			[]byte(`{"issuer":"http://simulated.invalid/realm","token_endpoint":"http://simulated.invalid/elsewhere/token"}`),
		)
	})
	mux.HandleFunc("POST /csc/v2/credentials/list", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"credentialIDs":[]}`)) // the test needs no further answer
	})
	cases := []struct {
		name  string
		url   string
		info  map[string]any
		kind  signing.Kind
		asked bool
	}{
		{
			"login", "http://simulated.invalid", map[string]any{"authType": []string{"basic"}}, signing.KindProviderAccount,
			true,
		},
		{
			"issuer", "http://simulated.invalid",
			map[string]any{"authType": []string{"oauth2client"}, "oauth2Issuer": "http://simulated.invalid/realm"},
			signing.KindProviderAccount, true,
		},
		{
			"issuer of somebody else", "http://simulated.invalid",
			map[string]any{"oauth2Issuer": "http://simulated.invalid/realm/"}, signing.KindProviderAccount, true,
		},
		{"not said", "http://simulated.invalid", map[string]any{"specs": "2.0.0.2"}, signing.KindConfiguration, false},
		{
			"not a URL", "http://simulated.invalid", map[string]any{"oauth2": "ask your administrator"},
			signing.KindConfiguration, false,
		},
		{
			"user in the URL", "http://simulated.invalid", map[string]any{"oauth2": "http://a:b@simulated.invalid"},
			signing.KindConfiguration, false,
		},
		{"TLS alone", "http://simulated.invalid", map[string]any{"authType": "TLS"}, signing.KindProviderCredentials, false},
	}
	client, stop := pipenet.Serve(mux)
	defer stop()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clear(info)
			for k, v := range c.info {
				info[k] = v
			}
			gotID, gotSecret = "", ""
			_, err := newProvider(t, client, csc.Settings{URL: c.url}).Credential(t.Context())
			if signing.KindOf(err) != c.kind {
				t.Errorf("Credential = %v, want kind %s", err, c.kind)
			}
			if asked := gotID == service.ClientID && gotSecret == service.ClientSecret; asked != c.asked {
				t.Errorf("the secret was sent: %v, want %v", asked, c.asked)
			}
		})
	}
}
