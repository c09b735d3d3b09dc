package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// known is a call whose answer shows that authentication succeeded: it is 404, because there is no
// such operation.
const known = "operation/status/withExternalReference/none"

func token(h *harness, auth string) string {
	h.t.Helper()
	resp := h.do(request{
		method: http.MethodPost,
		path:   "/oauth2/authorization-server/oauth/token?grant_type=client_credentials",
		auth:   auth,
	})
	resp.is(http.StatusOK, nil)
	return resp.at("access_token")
}

func TestTokenEndpoint(t *testing.T) {
	h := newHarness(t, nil)
	const path = "/oauth2/authorization-server/oauth/token"
	formHeader := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	forms := map[string]request{
		"form": {
			method: http.MethodPost,
			path:   path,
			text:   "grant_type=client_credentials",
			header: formHeader,
		},
		"form with charset": {
			method: http.MethodPost,
			path:   path,
			text:   "grant_type=client_credentials&x=y",
			header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
		},
		"query, no type": {method: http.MethodPost, path: path + "?grant_type=client_credentials"},
		"query, type, no body": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			header: formHeader,
		},
		"query, JSON, no body": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			header: map[string]string{"Content-Type": "application/json"},
		},
		"slashes": {
			method: http.MethodPost,
			path:   "//oauth2//authorization-server/oauth/token//?grant_type=client_credentials",
		},
		"lower case basic": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			auth:   "basic " + strings.TrimPrefix(basic(alice, aliceSecret), "Basic "),
		},
		"form-encoded secret": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			auth:   basic(alice, url.QueryEscape(aliceSecret)),
		},
		"non-ASCII secret": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			auth:   basic(bob, bobSecret),
		},
		"ISO 8859-1 secret": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			auth:   basic(bob, "bob-secret-Z\xfcrich"),
		},
		"both in form and query": {
			method: http.MethodPost,
			path:   path + "?grant_type=client_credentials",
			text:   "grant_type=client_credentials",
			header: formHeader,
		},
	}
	for name, r := range forms {
		t.Run(name, func(t *testing.T) {
			h.t = t
			resp := h.do(r)
			resp.is(http.StatusOK, map[string]string{"token_type": "bearer", "expires_in": "3600", "scope": "read write"})
			if resp.Header().Get("Cache-Control") != "no-store" || resp.Header().Get("Pragma") != "no-cache" {
				t.Errorf("header = %v, want no-store and no-cache", resp.Header())
			}
			h.do(request{path: known, auth: "Bearer " + resp.at("access_token")}).fails(http.StatusNotFound, "404", "")
		})
	}
	faults := map[string]struct {
		request
		status int
		error  string
	}{
		"no credentials": {
			request{method: http.MethodPost, path: path + "?grant_type=client_credentials", auth: "none"},
			401,
			"invalid_client",
		},
		"bearer": {
			request{method: http.MethodPost, path: path + "?grant_type=client_credentials", auth: "Bearer x"},
			401,
			"invalid_client",
		},
		"wrong secret": {
			request{method: http.MethodPost, path: path + "?grant_type=client_credentials", auth: basic(alice, "x")},
			401,
			"invalid_client",
		},
		"unknown client": {
			request{method: http.MethodPost, path: path + "?grant_type=client_credentials", auth: basic("nobody", "x")},
			401,
			"invalid_client",
		},
		"no grant": {request{method: http.MethodPost, path: path}, 400, "invalid_request"},
		"another grant": {
			request{method: http.MethodPost, path: path, text: "grant_type=password", header: formHeader},
			400,
			"unsupported_grant_type",
		},
		"contradiction": {
			request{
				method: http.MethodPost,
				path:   path + "?grant_type=client_credentials",
				text:   "grant_type=password",
				header: formHeader,
			},
			400,
			"unsupported_grant_type",
		},
		"not a form": {
			request{method: http.MethodPost, path: path, text: "%zz", header: formHeader},
			400,
			"invalid_request",
		},
		"an endless form": {
			request{method: http.MethodPost, path: path, text: strings.Repeat("a=b&", 50_000), header: formHeader},
			413,
			"invalid_request",
		},
	}
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			resp := h.do0(tt.request)
			if resp.Code != tt.status || resp.at("error") != tt.error || resp.at("error_description") == "" ||
				resp.at("errorCode") != "" {
				t.Errorf("answer = %d %s, want %d %s", resp.Code, resp.text, tt.status, tt.error)
			}
			got := resp.Header().Get("WWW-Authenticate")
			if (got != "") != (tt.status == 401) || got != "" && !strings.HasPrefix(got, "Basic ") {
				t.Errorf("WWW-Authenticate = %q", got)
			}
		})
	}
}

func TestTokensAreUnique(t *testing.T) {
	h := newHarness(t, nil)
	seen := map[string]bool{}
	for range 20 {
		var c jwt.RegisteredClaims
		_, _, err := jwt.NewParser().ParseUnverified(token(h, ""), &c)
		if err != nil || c.ID == "" || seen[c.ID] || c.Subject != alice {
			t.Fatalf("claims = %+v, %v, want a new id for %s", c, err, alice)
		}
		seen[c.ID] = true
	}
}

func TestAuthentication(t *testing.T) {
	h := newHarness(t, nil)
	good := token(h, "")
	sign := func(key []byte, kid string, claims jwt.MapClaims) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
		tok.Header["kid"] = kid
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	parsed, _, _ := jwt.NewParser().ParseUnverified(good, jwt.MapClaims{})
	kid := parsed.Header["kid"].(string)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range parsed.Claims.(jwt.MapClaims) {
			c[k] = v
		}
		change(c)
		return c
	}
	key := bytes.Repeat([]byte("k"), 32)
	b64 := base64.RawURLEncoding.EncodeToString
	none := b64([]byte(`{"alg":"none","kid":"`+kid+`"}`)) + "." + strings.Split(good, ".")[1] + "."

	tests := []struct{ name, auth, code string }{
		{"bearer", "Bearer " + good, ""},
		{"bearer in lower case", "bearer " + good, ""},
		{"bearer with blanks", "Bearer   " + good + " ", ""},
		{"our key and claims", "Bearer " + sign(key, kid, claims(func(jwt.MapClaims) {})), ""},
		{"basic", basic(alice, aliceSecret), ""},
		{"basic in capitals", strings.Replace(basic(bob, bobSecret), "Basic", "BASIC", 1), ""},

		{"nothing", "none", "0.0.10"},
		{"a scheme alone", "Bearer", "0.0.10"},
		{"an unknown scheme", "Digest x", "0.0.10"},
		{"a wrong secret", basic(alice, bobSecret), "0.0.10"},
		{"an empty secret", basic(alice, ""), "0.0.10"},
		{"a form-encoded secret", basic(alice, url.QueryEscape(aliceSecret)), "0.0.10"},
		{"an unknown client", basic("nobody", aliceSecret), "0.0.10"},
		{"no colon", "Basic " + base64.StdEncoding.EncodeToString([]byte(alice)), "0.0.10"},
		{"no base64", "Basic *", "0.0.10"},
		{"a changed token", "Bearer " + good + "x", "0.0.10"},
		{"half a token", "Bearer " + good[:len(good)/2], "0.0.10"},
		{"a long token", "Bearer " + strings.Repeat("x", 20_000), "0.0.10"},
		{"no signature", "Bearer " + none, "0.0.10"},
		{
			"another key",
			"Bearer " + sign([]byte("another key of thirty-two bytes!"), kid, claims(func(jwt.MapClaims) {})),
			"0.0.10",
		},
		{"another key's name", "Bearer " + sign(key, "other", claims(func(jwt.MapClaims) {})), "0.0.10"},
		{
			"expired",
			"Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() })),
			"0.0.10",
		},
		{"without end", "Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { delete(c, "exp") })), "0.0.10"},
		{
			"issued tomorrow",
			"Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { c["iat"] = time.Now().Add(24 * time.Hour).Unix() })),
			"0.0.10",
		},
		{"another issuer", "Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { c["iss"] = "x" })), "0.0.10"},
		{"another audience", "Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { c["aud"] = "x" })), "0.0.10"},
		{"a client that is gone", "Bearer " + sign(key, kid, claims(func(c jwt.MapClaims) { c["sub"] = "gone" })), "1.1.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			resp := h.do(request{path: known, auth: tt.auth})
			if tt.code == "" {
				resp.fails(http.StatusNotFound, "404", "")
				return
			}
			resp.fails(http.StatusUnauthorized, tt.code, "")
			got := strings.Join(resp.Header().Values("WWW-Authenticate"), ", ")
			if !strings.Contains(got, "Bearer ") || !strings.Contains(got, "Basic ") {
				t.Errorf("WWW-Authenticate = %q, want Bearer and Basic", got)
			}
			if secret := strings.TrimPrefix(tt.auth, "Bearer "); len(secret) > 20 && strings.Contains(resp.text, secret) {
				t.Errorf("the answer repeats what was sent: %s", resp.text)
			}
		})
	}
	h.t = t
	if got := h.do(request{path: known, auth: "Bearer x"}).Header().Values("WWW-Authenticate")[0]; !strings.Contains(
		got, `error="invalid_token"`,
	) {
		t.Errorf("WWW-Authenticate = %q, want it to say invalid_token", got)
	}
}

func TestEveryCallAuthenticates(t *testing.T) {
	h := newHarness(t, nil)
	for _, r := range api.Routes() {
		method, path, _ := strings.Cut(r, " ")
		if strings.HasPrefix(path, "/api/") {
			path = api.DefaultBasePath + path
		}
		path = strings.NewReplacer(
			"{operationId}",
			"1024",
			"{includeContent}",
			"true",
			"{externalReference}",
			"x",
		).Replace(path)
		if resp := h.do0(request{method: method, path: path, auth: "none"}); resp.Code != http.StatusUnauthorized {
			t.Errorf("%s without credentials = %d, want 401", r, resp.Code)
		}
	}
}

func TestTokenOfARemovedClientService(t *testing.T) {
	h := newHarness(t, nil)
	tok := token(h, "")
	services, err := clientservice.NewServices(
		clientservice.ClientService{ID: bob, Secret: clientservice.NewSecret(bobSecret)},
	)
	if err != nil {
		t.Fatal(err)
	}
	h.services = services
	h.do(request{path: known, auth: "Bearer " + tok}).fails(http.StatusUnauthorized, "1.1.0", "")
}

func TestTokensOfAnotherInstance(t *testing.T) {
	one, two := newHarness(t, nil), newHarness(t, nil)
	other := newHarness(t, func(h *harness) { h.cfg.TokenKey = bytes.Repeat([]byte("x"), 32) })
	tok := token(one, "")
	two.do(request{path: known, auth: "Bearer " + tok}).fails(http.StatusNotFound, "404", "")
	other.do(request{path: known, auth: "Bearer " + tok}).fails(http.StatusUnauthorized, "0.0.10", "")
}

// remoteTokens knows one token.
type remoteTokens struct{ asked []string }

func (r *remoteTokens) Verify(_ context.Context, token string) (string, error) {
	r.asked = append(r.asked, token)
	switch token {
	case "remote":
		return alice, nil
	case "late":
		return "", signing.Errorf(signing.KindBusy, "the remote service is out of reach").Retryable(7 * time.Second)
	case "misconfigured":
		return "", signing.Errorf(signing.KindConfiguration, "our secret for the issuer is wrong")
	}
	return "", signing.Errorf(signing.KindUnauthenticated, "unknown to the remote service")
}

func TestRemoteTokens(t *testing.T) {
	remote := &remoteTokens{}
	h := newHarness(t, func(h *harness) { h.cfg.RemoteTokens = remote })
	foreign, err := jwt.NewWithClaims(jwt.SigningMethodHS512, jwt.MapClaims{"sub": alice}).SignedString([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	h.do(request{path: known, auth: "Bearer remote"}).fails(http.StatusNotFound, "404", "")
	h.do(request{path: known, auth: "Bearer " + foreign}).fails(http.StatusUnauthorized,
		"0.0.10", "unknown to the remote service")
	late := h.do0(request{path: known, auth: "Bearer late"})
	late.fails(http.StatusServiceUnavailable, "503", "out of reach")
	if late.Header().Get("Retry-After") != "7" {
		t.Errorf("Retry-After = %q, want 7", late.Header().Get("Retry-After"))
	}
	// A fault of our settings is not an outage: a retry does not help, and clients are not told what
	// is wrong.
	wrong := h.do0(request{path: known, auth: "Bearer misconfigured"})
	wrong.fails(http.StatusInternalServerError, "0.0.1", "the log of the service says why")
	if wrong.Header().Get("Retry-After") != "" {
		t.Errorf("Retry-After = %q, want none", wrong.Header().Get("Retry-After"))
	}
	asked := len(remote.asked)
	h.do(request{path: known, auth: "Bearer " + token(h, "")}).fails(http.StatusNotFound, "404", "")
	h.do(request{path: known, auth: basic(alice, aliceSecret)}).fails(http.StatusNotFound, "404", "")
	if len(remote.asked) != asked {
		t.Errorf("the remote service was asked about %q", remote.asked[asked:])
	}
}

func TestAnotherClientServicesOperation(t *testing.T) {
	h := start(t, nil)
	resp := h.do(request{path: "document/sign/base64", text: signRequest("hers", "%PDF")})
	resp.is(http.StatusOK, nil)
	id := resp.at("id")
	paths := []string{
		"operation/status/" + id,
		"operation/status/withExternalReference/hers",
		"operation/sign/detail/withExternalReference/hers",
		"operation/sign/detail/" + id + "/contentInResponse/true",
		"operation/sign/detail/" + id + "/documents",
		"operation/id/withDocumentExternalReference/doc-0",
	}
	for _, path := range paths {
		his := h.do(request{path: path, auth: basic(bob, bobSecret)})
		his.fails(http.StatusNotFound, "404", "")
		// The answer must be the same as for an operation that does not exist.
		none := h.do(request{
			path: strings.NewReplacer(id, "1047552", "hers", "none", "doc-0", "none").Replace(path),
			auth: basic(bob, bobSecret),
		})
		if strings.ReplaceAll(his.text, id, "1047552") != none.text {
			t.Errorf("%s: another's = %s, none = %s", path, his.text, none.text)
		}
		if mine := h.do(request{path: path}); mine.Code != http.StatusOK {
			t.Errorf("%s: mine = %d", path, mine.Code)
		}
	}
}

func TestNewRefusesBadSettings(t *testing.T) {
	h := newHarness(t, nil)
	h.cfg.Registerer = nil
	for name, change := range map[string]func(*api.Config){
		"key":       func(c *api.Config) { c.TokenKey = []byte("short") },
		"service":   func(c *api.Config) { c.Service = nil },
		"base path": func(c *api.Config) { c.BasePath = "/a b" },
		"root":      func(c *api.Config) { c.BasePath = "/" },
		"limit":     func(c *api.Config) { c.MaxDocuments = -1 },
	} {
		cfg := h.cfg
		change(&cfg)
		if _, err := api.New(cfg); err == nil {
			t.Errorf("New with a bad %s = nil, want an error", name)
		}
	}
	cfg := h.cfg
	cfg.TokenKey, cfg.MaxDocuments = nil, -1
	_, err := api.New(cfg)
	if err == nil || !strings.Contains(err.Error(), "token key") || !strings.Contains(err.Error(), "MaxDocuments") {
		t.Errorf("New = %v, want all mistakes", err)
	}
}
