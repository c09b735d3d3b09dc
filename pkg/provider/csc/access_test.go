package csc_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// newPlainProvider makes a provider with only the settings in set.
func newPlainProvider(t *testing.T, client *http.Client, set csc.Settings) *csc.Provider {
	t.Helper()
	p, err := csc.New(csc.Config{Name: "test", Settings: set, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withClient adds the simulation's client id and secret.
func withClient(t *testing.T, set csc.Settings) csc.Settings {
	set.ClientID, set.ClientSecretFile = service.ClientID, secretFile(t, service.ClientSecret)
	return set
}

// loginCalls returns the number of calls of auth/login.
func loginCalls(s *service.Service) int64 {
	n := s.Counts()
	return n.Calls["csc/v1/auth/login"] + n.Calls["csc/v2/auth/login"]
}

// TestAuthType checks that info and the setting authType decide how we authenticate, and that both
// API versions sign with each method.
func TestAuthType(t *testing.T) {
	const token, login, nothing = "token", "login", "nothing"
	user := csc.Settings{Username: "our user", PasswordFile: "password"}
	for _, c := range []struct {
		name   string
		offers string
		set    csc.Settings
		client bool   // a client id is configured
		want   string // empty = a configuration error
	}{
		{"OAuth2 for servers", "oauth2client", csc.Settings{}, true, token},
		{"OAuth2 for servers, no client id", "oauth2client", csc.Settings{}, false, ""},
		{"OAuth2 for people", "oauth2code", csc.Settings{}, true, token},
		{"login", "basic", csc.Settings{}, true, login},
		{"login of a user", "basic", user, false, login},
		{"login, nobody to log in", "basic", csc.Settings{}, false, ""},
		{"login beside OAuth2 for people", "basic oauth2code", csc.Settings{}, true, login},
		{"login of a user beside both", "basic oauth2client oauth2code", user, false, login},
		{"OAuth2 for servers beside login", "basic oauth2client", csc.Settings{}, true, token},
		{"login is chosen", "oauth2client", csc.Settings{AuthType: "basic"}, true, login},
		{"OAuth2 is chosen", "basic oauth2code", csc.Settings{AuthType: "oauth2"}, true, token},
		{"external", "external", csc.Settings{}, false, nothing},
		{"external beside OAuth2", "external oauth2code oauth2client", csc.Settings{}, false, nothing},
		{"TLS", "TLS", csc.Settings{}, false, nothing},
		{"external is chosen", "oauth2client", csc.Settings{AuthType: "external"}, false, nothing},
		{
			"external with a token endpoint", "external", csc.Settings{TokenURL: "http://simulated.invalid/oauth2/token"}, true,
			token,
		},
	} {
		for _, version := range []string{"/csc/v1", "/csc/v2"} {
			t.Run(c.name+" "+version[5:], func(t *testing.T) {
				opts := service.Options{Credentials: []service.Credential{{Key: service.ECDSAP256, AuthMode: service.Implicit}}}
				opts.AuthTypes, opts.OpenToAll = strings.Fields(c.offers), c.want == nothing
				set := c.set
				if set.Username != "" {
					opts.Users, set.PasswordFile = map[string]string{set.Username: "p:ä+%20"}, secretFile(t, "p:ä+%20")
				}
				if set.URL = "http://simulated.invalid" + version; c.client {
					set = withClient(t, set)
				}
				servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
					p := newPlainProvider(t, client, set)
					if _, err := p.Credential(t.Context()); c.want == "" {
						if signing.KindOf(err) != signing.KindConfiguration || tokenCalls(s)+loginCalls(s) != 0 {
							t.Errorf("Credential = %v, want a configuration fault before anything is sent", err)
						}
						return
					}
					signGood(t, p, 2)
					got := nothing
					switch {
					case tokenCalls(s) > 0 && loginCalls(s) == 0:
						got = token
					case loginCalls(s) > 0 && tokenCalls(s) == 0:
						got = login
					}
					if got != c.want || tokenCalls(s)+loginCalls(s) > 1 {
						t.Errorf("known by %s in %d calls, want %s in one", got, tokenCalls(s)+loginCalls(s), c.want)
					}
				})
			})
		}
	}
}

// TestClientSecretWithSpecialCharacters tries token endpoints that decode Basic (RFC 6749 2.3.1),
// that do not decode it, and that want a form.
func TestClientSecretWithSpecialCharacters(t *testing.T) {
	const id, secret = "our id:1", "a+b/c%d e"
	for _, c := range []struct {
		name          string
		endpoint      service.ClientAuth
		set           string
		first, second int64 // calls for the first token, and for the second
	}{
		{"decoded", service.Decoded, "", 1, 1},
		{"form", service.InForm, "form", 1, 1},
		{"either in the form", service.AsItIs, "form", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := service.Options{
				ClientServices: map[string]string{id: secret},
				Credentials:    []service.Credential{{AuthMode: service.Implicit}},
			}
			opts.ClientAuth = c.endpoint
			set := csc.Settings{
				URL:              "http://simulated.invalid",
				ClientID:         id,
				ClientSecretFile: secretFile(t, secret),
				ClientAuth:       c.set,
			}
			wantTokenCalls(t, opts, set, c.first, c.second)
		})
	}
	t.Run("as it is", func(t *testing.T) { // such endpoints cannot accept an id with a colon
		opts := service.Options{
			ClientServices: map[string]string{"our id": secret},
			Credentials:    []service.Credential{{AuthMode: service.Implicit}},
		}
		set := csc.Settings{URL: "http://simulated.invalid", ClientID: "our id", ClientSecretFile: secretFile(t, secret)}
		wantTokenCalls(t, opts, set, 2, 1)
	})
}

func wantTokenCalls(t *testing.T, opts service.Options, set csc.Settings, first, second int64) {
	t.Helper()
	servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
		p := newPlainProvider(t, client, set)
		signGood(t, p, 1)
		if n := tokenCalls(s); n != first {
			t.Errorf("%d token calls, want %d", n, first)
		}
		s.RevokeTokens()
		before := tokenCalls(s)
		signGood(t, p, 1)
		if n := tokenCalls(s) - before; n != second {
			t.Errorf("%d token calls for the second token, want %d", n, second)
		}
	})
}

// TestPasswordGrant checks that a confidential and a public client also send a user's name and
// password.
func TestPasswordGrant(t *testing.T) {
	for name, clientSecret := range map[string]string{"confidential": "c:s", "public": ""} {
		t.Run(name, func(t *testing.T) {
			opts := service.Options{
				ClientServices: map[string]string{"app": clientSecret},
				Credentials:    []service.Credential{{AuthMode: service.Implicit}},
			}
			opts.Users, opts.AuthTypes = map[string]string{"user@example.org": "pass&word=1"}, []string{"oauth2code"}
			set := csc.Settings{
				URL: "http://simulated.invalid/csc/v1", GrantType: "password", ClientID: "app",
				Username: "user@example.org", PasswordFile: secretFile(t, "pass&word=1"),
			}
			if clientSecret != "" {
				set.ClientSecretFile = secretFile(t, clientSecret)
			}
			servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
				signGood(t, newPlainProvider(t, client, set), 2)
			})
		})
	}
}

// TestWrongPasswordIsNotRepeated checks that a refused user password is not sent again for minutes,
// unless its file changes, because services lock users out. The other encodings of the client are
// not tried, because the client was not refused.
func TestWrongPasswordIsNotRepeated(t *testing.T) {
	opts := service.Options{
		ClientServices: map[string]string{"app": "a+b"},
		Credentials:    []service.Credential{{AuthMode: service.Implicit}},
	}
	opts.Users, opts.ClientAuth = map[string]string{"user": "right"}, service.Decoded
	password := secretFile(t, "wrong")
	set := csc.Settings{
		URL: "http://simulated.invalid", GrantType: "password", ClientID: "app", ClientSecretFile: secretFile(t, "a+b"),
		Username: "user", PasswordFile: password,
	}
	servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
		p := newPlainProvider(t, client, set)
		for range 4 {
			_, err := p.Credential(t.Context())
			e := signing.AsError(err)
			if e == nil || e.Kind != signing.KindProviderCredentials || e.Retry || !strings.Contains(e.Detail, "password") ||
				strings.Contains(err.Error(), "wrong") {
				t.Errorf("Credential = %v, want that the user's password is refused", err)
			}
			time.Sleep(time.Minute) // fake
		}
		if n := tokenCalls(s); n != 1 {
			t.Errorf("the password was sent %d times in 4 minutes, want once", n)
		}
		if err := os.WriteFile(password, []byte("right"), 0o600); err != nil {
			t.Fatal(err)
		}
		signGood(t, p, 1)
	})
}

// TestTOTPSecretInBase64 signs with services of both versions that check a time-based password
// whose key was configured in base64.
func TestTOTPSecretInBase64(t *testing.T) {
	for _, version := range []string{"/csc/v1", "/csc/v2"} {
		opts := service.Options{
			Credentials: []service.Credential{{Key: service.ECDSAP256, TOTPKey: "\x44\xf5\xd8 is how this key begins."}},
		}
		set := csc.Settings{
			URL:            "http://simulated.invalid" + version,
			TOTPSecretFile: secretFile(t, "RPXYIGlzIGhvdyB0aGlzIGtleSBiZWdpbnMu"),
		}
		servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
			signGood(t, newPlainProvider(t, client, withClient(t, set)), 3)
		})
	}
}
