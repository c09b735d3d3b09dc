package remotetoken_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const specialSecret = "a+b/c%d e"

// bubbleAs runs a test with a simulation that wants our secret in a certain way, and with a secret
// file of the test's.
func bubbleAs(
	t *testing.T, endpoint service.ClientAuth, set remotetoken.Settings, secret string,
	test func(t *testing.T, s *service.Service, v *remotetoken.Verifier),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, err := authority()
		if err != nil {
			t.Fatal(err)
		}
		opts := service.Options{Authority: a, ClientServices: map[string]string{"our id": specialSecret}}
		opts.ClientAuth = endpoint
		s, err := service.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		set.IntrospectionURL, set.ClientID = introspectURL, "our id"
		if set.ClientSecretFile == "" {
			set.ClientSecretFile = filepath.Join(t.TempDir(), "secret")
		}
		if err := os.WriteFile(set.ClientSecretFile, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := remotetoken.New(remotetoken.Config{Settings: set, HTTP: client})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, v)
	})
}

func introspections(s *service.Service) int64 {
	return s.Counts().Calls["oauth2/authorization-server/oauth/introspect"]
}

// TestClientSecretWithSpecialCharacters checks introspection endpoints that decode HTTP Basic (RFC
// 6749 2.3.1), that do not, and that want a form.
func TestClientSecretWithSpecialCharacters(t *testing.T) {
	for _, c := range []struct {
		endpoint service.ClientAuth
		set      clientauth.Method
		calls    int64 // for two tokens
	}{{service.Decoded, "", 2}, {service.AsItIs, "basic", 3}, {service.InForm, "form", 2}} {
		bubbleAs(
			t,
			c.endpoint,
			remotetoken.Settings{ClientAuth: c.set},
			specialSecret,
			func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
				want(t, v, "one", s.Token("a"), "a", "")
				want(t, v, "another", s.Token("b"), "b", "")
				if n := introspections(s); n != c.calls {
					t.Errorf("%q with %q: %d calls for two tokens, want %d", c.endpoint, c.set, n, c.calls)
				}
			},
		)
	}
}

// TestOurSecretIsRefused checks that a refusal of our own secret is a fault of the settings and not
// an outage. The issuer is asked again after a pause, or when the secret changes.
func TestOurSecretIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for _, endpoint := range []service.ClientAuth{service.AsItIs, service.Decoded, service.InForm} {
		bubbleAs(
			t,
			endpoint,
			remotetoken.Settings{ClientSecretFile: file},
			"wrong one",
			func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
				for range 20 {
					_, err := v.Verify(t.Context(), s.Token("a"))
					e := signing.AsError(err)
					if e == nil || e.Kind != signing.KindConfiguration || e.Retry || strings.Contains(err.Error(), "wrong one") {
						t.Fatalf("%q: Verify = %v, want a fault of the settings", endpoint, err)
					}
				}
				if n := introspections(s); n != 2 {
					t.Errorf("%q: the wrong secret was sent %d times, want once in each form of Basic", endpoint, n)
				}
				time.Sleep(10 * time.Second) // fake
				want(t, v, "still wrong", s.Token("a"), "", signing.KindConfiguration)
				if n := introspections(s); n != 4 {
					t.Errorf("%q: the wrong secret was sent %d times in 10 seconds, want twice", endpoint, n)
				}
				if endpoint == service.InForm {
					return // Basic does not work there
				}
				if err := os.WriteFile(file, []byte(specialSecret), 0o600); err != nil {
					t.Fatal(err)
				}
				want(t, v, "right", s.Token("a"), "a", "")
			},
		)
	}
}

// TestRefusalsOfUs checks which answers of an introspection endpoint are refusals of the proxy
// itself.
func TestRefusalsOfUs(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   signing.Kind
	}{
		{401, "", signing.KindConfiguration},
		{401, "<html>", signing.KindConfiguration},
		{403, "", signing.KindConfiguration},
		{400, `{"error":"invalid_client"}`, signing.KindConfiguration},
		{400, `{"error":"unauthorized_client"}`, signing.KindConfiguration},
		{400, `{"error":"invalid_request"}`, busy},
		{404, "", busy},
		{429, "", busy},
		{503, "", busy},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, stop := pipenet.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer stop()
			v := newVerifier(t, client, remotetoken.Settings{IntrospectionURL: introspectURL})
			want(t, v, "token", "a-token", "", c.want)
		})
	}
}
