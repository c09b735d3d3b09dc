package remotetoken_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/remotetoken"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// authority is shared by all tests: RSA keys take a while to make.
var authority = sync.OnceValues(service.NewAuthority)

const (
	jwksURL       = "http://simulated.invalid/oauth2/authorization-server/jwks.json"
	introspectURL = "http://simulated.invalid/oauth2/authorization-server/oauth/introspect"
)

// bubble runs a test with a fake clock, a network of its own and the simulation.
func bubble(
	t *testing.T, set remotetoken.Settings, test func(t *testing.T, s *service.Service, v *remotetoken.Verifier),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, err := authority()
		if err != nil {
			t.Fatal(err)
		}
		s, err := service.New(service.Options{Authority: a, TokenLifetime: 10 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		test(t, s, newVerifier(t, client, set))
	})
}

func newVerifier(t *testing.T, client *http.Client, set remotetoken.Settings) *remotetoken.Verifier {
	t.Helper()
	if set.IntrospectionURL != "" {
		set.ClientID, set.ClientSecretFile = service.ClientID, filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(set.ClientSecretFile, []byte(service.ClientSecret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := remotetoken.New(remotetoken.Config{Settings: set, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// want checks one verdict: the client service, or the kind of the refusal.
func want(t *testing.T, v *remotetoken.Verifier, what, token, id string, kind signing.Kind) {
	t.Helper()
	got, err := v.Verify(t.Context(), token)
	if got != id || err != nil && signing.KindOf(err) != kind || err == nil && kind != "" {
		t.Errorf("%s: Verify = %q, %v; want %q, kind %q", what, got, err, id, kind)
	}
	if err != nil && token != "" && len(token) > 20 && strings.Contains(err.Error(), token[len(token)-20:]) {
		t.Errorf("%s: the error holds the token", what)
	}
}

const (
	bad  = signing.KindUnauthenticated
	busy = signing.KindBusy
)

// TestSimulation verifies tokens of the simulated service, with keys and by introspection.
func TestSimulation(t *testing.T) {
	for name, set := range map[string]remotetoken.Settings{
		"keys":          {JWKSURL: jwksURL, Issuer: "https://simulated.invalid/", Audience: "simulated-remote-service"},
		"introspection": {IntrospectionURL: introspectURL},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, set, func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
				token := s.Token("PRT.1-2-3")
				want(t, v, "good", token, "PRT.1-2-3", "")
				want(t, v, "empty", "", "", bad)
				want(t, v, "not a token", "x", "", bad)
				want(t, v, "two lines", "a\r\nb", "", bad)
				want(t, v, "too long", strings.Repeat("a", 17<<10), "", bad)
				want(t, v, "cut", token[:len(token)-10], "", bad)
				for range 20 {
					want(t, v, "again", token, "PRT.1-2-3", "")
				}
				calls := s.Counts().Calls
				asked := calls["oauth2/authorization-server/oauth/introspect"] + calls["oauth2/authorization-server/jwks.json"]
				if asked > 3 {
					t.Errorf("the issuer was asked %d times, want 3 at most", asked)
				}
				time.Sleep(11 * time.Minute) // fake
				want(t, v, "expired", token, "", bad)
			})
		})
	}
}

// TestOutOfReach checks that tokens cannot be verified while the issuer is unreachable, that they
// can afterwards, and that results are cached for a while.
func TestOutOfReach(t *testing.T) {
	for name, set := range map[string]remotetoken.Settings{
		"keys": {JWKSURL: jwksURL}, "introspection": {IntrospectionURL: introspectURL},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, set, func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
				for _, r := range []service.Misbehaviour{
					service.ErrorBefore, service.TooManyRequests, service.CutBefore, service.HalfAnswer, service.Stalled,
					service.NotJSON, service.Huge, service.Gateway, service.Refused,
				} {
					if err := s.Misbehave(service.Fault{Misbehaviour: r}); err != nil {
						t.Fatal(err)
					}
					want(t, v, string(r), s.Token("a"), "", busy)
					s.Behave()
				}
				time.Sleep(time.Minute) // fake
				token := s.Token("a")
				want(t, v, "back", token, "a", "")
				if err := s.Misbehave(service.Fault{Misbehaviour: service.CutBefore}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Second)
				want(t, v, "known", token, "a", "")
				if name == "keys" {
					time.Sleep(2 * time.Hour)
					want(t, v, "old keys", s.Token("b"), "b", "")
					time.Sleep(23 * time.Hour)
					want(t, v, "keys too old", s.Token("b"), "", busy)
				}
			})
		})
	}
}

// TestHangs checks that tokens of known keys are verified at once while another verification waits
// for an issuer that hangs.
func TestHangs(t *testing.T) {
	bubble(t, remotetoken.Settings{JWKSURL: jwksURL}, func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
		want(t, v, "good", s.Token("a"), "a", "")
		if err := s.Misbehave(service.Fault{Misbehaviour: service.Stalled}); err != nil {
			t.Fatal(err)
		}
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			after time.Duration
			token func() string
			id    string
			kind  signing.Kind
		}{
			"an unknown key": {time.Minute, func() string {
				return sign(t, jwt.SigningMethodRS256, key, "unknown", nil, nil)
			}, "", bad},
			"keys are due": {2 * time.Hour, func() string { return s.Token("a") }, "a", ""},
		} {
			time.Sleep(test.after) // fake
			var all sync.WaitGroup
			all.Go(func() { want(t, v, name, test.token(), test.id, test.kind) })
			synctest.Wait()
			began := time.Now()
			want(t, v, name+", others", s.Token("b"), "b", "")
			if took := time.Since(began); took != 0 {
				t.Errorf("%s: others waited %v", name, took)
			}
			all.Wait()
			if time.Since(began) == 0 {
				t.Errorf("%s: nobody waited", name)
			}
		}
	})
}

// TestRevocation checks that introspection notices a revoked token within a minute.
func TestRevocation(t *testing.T) {
	bubble(
		t,
		remotetoken.Settings{IntrospectionURL: introspectURL},
		func(t *testing.T, s *service.Service, v *remotetoken.Verifier) {
			token := s.Token("a")
			want(t, v, "good", token, "a", "")
			s.RevokeTokens()
			time.Sleep(time.Minute)
			want(t, v, "revoked", token, "", bad)
		},
	)
}

// issuer publishes keys and signs tokens with them.
type issuer struct {
	keys   []map[string]any
	asked  int
	answer []byte // instead of the keys
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.asked++
	if i.answer != nil {
		_, _ = w.Write(i.answer)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func jwkOf(t *testing.T, id string, key crypto.PublicKey, extra map[string]any) map[string]any {
	t.Helper()
	w := map[string]any{"kid": id}
	switch k := key.(type) {
	case *rsa.PublicKey:
		w["kty"], w["n"], w["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		w["kty"], w["crv"], w["x"], w["y"] = "EC", k.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	}
	maps.Copy(w, extra)
	return w
}

func sign(
	t *testing.T, method jwt.SigningMethod, key any, id string, change func(jwt.MapClaims), header map[string]any,
) string {
	t.Helper()
	c := jwt.MapClaims{
		"client_id": "a",
		"exp":       time.Now().Add(time.Hour).Unix(),
		"iss":       "https://issuer",
		"aud":       []string{"us", "them"},
	}
	if change != nil {
		change(c)
	}
	token := jwt.NewWithClaims(method, c)
	if id != "" {
		token.Header["kid"] = id
	}
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestKeys checks algorithms, key names and claims, and the attacks on them.
func TestKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	published := []map[string]any{
		jwkOf(t, "rsa", &rsaKey.PublicKey, map[string]any{"use": "sig"}),
		jwkOf(t, "ec", &ecKey.PublicKey, map[string]any{"alg": "ES384"}),
		jwkOf(t, "enc", &other.PublicKey, map[string]any{"use": "enc"}),
		{"kty": "oct", "kid": "shared", "k": b64([]byte("guess me"))},
		{"kty": "RSA", "kid": "tiny", "n": b64([]byte{5}), "e": "AQAB"},
	}
	set := func(name string, v any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) {
			if v == nil {
				delete(c, name)
				return
			}
			c[name] = v
		}
	}
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{keys: published}
		client, stop := pipenet.Serve(i)
		defer stop()
		v := newVerifier(t, client,
			remotetoken.Settings{JWKSURL: "http://simulated.invalid/keys", Issuer: "https://issuer", Audience: "us"})
		now := time.Now()
		for _, m := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodRS512, jwt.SigningMethodPS256} {
			want(t, v, m.Alg(), sign(t, m, rsaKey, "rsa", nil, nil), "a", "")
		}
		want(t, v, "ES384", sign(t, jwt.SigningMethodES384, ecKey, "ec", nil, nil), "a", "")
		want(t, v, "no key name", sign(t, jwt.SigningMethodRS256, rsaKey, "", nil, nil), "a", "")
		want(
			t,
			v,
			"azp",
			sign(t, jwt.SigningMethodRS256, rsaKey, "rsa",
				func(c jwt.MapClaims) { delete(c, "client_id"); c["azp"] = "b"; c["sub"] = "c" }, nil),
			"b",
			"",
		)
		want(
			t,
			v,
			"sub",
			sign(t, jwt.SigningMethodRS256, rsaKey, "rsa",
				func(c jwt.MapClaims) { delete(c, "client_id"); c["sub"] = "c" }, nil),
			"c",
			"",
		)
		for what, change := range map[string]func(jwt.MapClaims){
			"no client":          set("client_id", nil),
			"other issuer":       set("iss", "https://other"),
			"no issuer":          set("iss", nil),
			"other audience":     set("aud", "them"),
			"expired":            set("exp", now.Add(-time.Minute).Unix()),
			"no end":             set("exp", nil),
			"not yet":            set("nbf", now.Add(time.Minute).Unix()),
			"client is a number": set("client_id", 7),
		} {
			want(t, v, what, sign(t, jwt.SigningMethodRS256, rsaKey, "rsa", change, nil), "", bad)
		}
		want(t, v, "clock a little late",
			sign(t, jwt.SigningMethodRS256, rsaKey, "rsa", set("exp", now.Add(-10*time.Second).Unix()), nil), "a", "")
		want(t, v, "none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "rsa", nil, nil), "", bad)
		want(t, v, "HMAC with the public key", sign(t, jwt.SigningMethodHS256, rsaKey.N.Bytes(), "rsa", nil, nil), "", bad)
		want(t, v, "HMAC with the shared key",
			sign(t, jwt.SigningMethodHS256, []byte("guess me"), "shared", nil, nil), "", bad)
		want(t, v, "somebody else's key", sign(t, jwt.SigningMethodRS256, other, "rsa", nil, nil), "", bad)
		want(t, v, "key for encryption", sign(t, jwt.SigningMethodRS256, other, "enc", nil, nil), "", bad)
		want(t, v, "critical extension",
			sign(t, jwt.SigningMethodRS256, rsaKey, "rsa", nil, map[string]any{"crit": []string{"exp"}}), "", bad)
		if i.asked > 2 {
			t.Errorf("the keys were read %d times, want 2 at most", i.asked)
		}

		// A new key is found when its first token comes; names that are made up do not make us ask each
		// time.
		i.keys = append(i.keys, jwkOf(t, "new", &other.PublicKey, nil))
		time.Sleep(time.Minute) // fake
		want(t, v, "new key", sign(t, jwt.SigningMethodRS256, other, "new", nil, nil), "a", "")
		asked := i.asked
		for range 50 {
			want(t, v, "made-up name", sign(t, jwt.SigningMethodRS256, other, rand.Text(), nil, nil), "", bad)
		}
		if i.asked > asked+1 {
			t.Errorf("made-up key names made us read the keys %d times", i.asked-asked)
		}
	})
}

func TestValidate(t *testing.T) {
	for name, s := range map[string]remotetoken.Settings{
		"nothing": {},
		"both": {
			JWKSURL: "https://a", IntrospectionURL: "https://b", ClientID: "c", ClientSecretFile: "d",
		},
		"not a URL":                    {JWKSURL: "a"},
		"introspection without secret": {IntrospectionURL: "https://a", ClientID: "c"},
	} {
		if s.Validate() == nil {
			t.Errorf("%s: Validate = nil", name)
		}
	}
}

// FuzzKeySet checks that no key set causes a panic or yields a key that cannot verify.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := remotetoken.ParseKeys(body)
		if (err == nil) != (keys > 0) {
			t.Errorf("ParseKeys = %d keys, %v", keys, err)
		}
	})
}

// TestMadeUpTokens sends invented tokens. Few requests to the issuer run at the same time, and the
// rest is told to come again.
func TestMadeUpTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked, now, most := 0, 0, 0
		client, stop := pipenet.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			asked, now = asked+1, now+1
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second) // fake: a slow issuer
			mu.Lock()
			now--
			mu.Unlock()
			_, _ = w.Write([]byte(`{"active":false}`))
		}))
		defer stop()
		v := newVerifier(t, client, remotetoken.Settings{IntrospectionURL: introspectURL})
		var all sync.WaitGroup
		kinds := make(chan signing.Kind, 100)
		for i := range 100 {
			all.Go(func() {
				_, err := v.Verify(t.Context(), fmt.Sprint("made-up-", i))
				kinds <- signing.KindOf(err)
			})
		}
		all.Wait()
		close(kinds)
		got := map[signing.Kind]int{}
		for kind := range kinds {
			got[kind]++
		}
		if most != 8 || got[bad] != asked || got[bad]+got[signing.KindBusy] != 100 || got[signing.KindBusy] == 0 {
			t.Errorf("%d questions, %d at a time, verdicts %v; want 8 at a time, the others busy", asked, most, got)
		}
	})
}
