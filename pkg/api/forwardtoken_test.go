package api_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// TestPeersAreNotCounted checks that a forwarded request does not count against the client's rate a
// second time.
func TestPeersAreNotCounted(t *testing.T) {
	peer, handle, _ := startPeerWith(t, func(h *harness) { h.cfg.ClientRate = 1 })
	h := start(t, withPeer(t, handle))
	id := peer.do(request{path: "document/sign/base64", text: signRequest("theirs", "%PDF")}).at("id")
	for range 10 {
		for _, path := range []string{
			known, "operation/status/withExternalReference/theirs", "operation/id/withDocumentExternalReference/doc-0",
		} {
			if got := h.do(request{path: path}); got.Code != http.StatusNotFound && got.Code != http.StatusOK {
				t.Fatalf("GET %s of operation %s = %d %s, want the peer's answer", path, id, got.Code, got.text)
			}
		}
	}
}

// TestClientsThatSayTheyArePeers checks that the headers of a forwarded request do not exempt a
// client from its rate.
func TestClientsThatSayTheyArePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) {
			h.cfg.ClientRate, h.cfg.Identity, h.cfg.SharedTokenKey = 1, affinity.NewIdentity("uid"), true
		})
		bearer := "Bearer " + token(h, basic(bob, bobSecret))
		for _, auth := range []string{"", bearer} {
			ask := request{path: known, auth: auth, header: forwardedTo}
			codes := make(map[int]int)
			for range 4 {
				codes[h.do(ask).Code]++
			}
			if codes[http.StatusTooManyRequests] < 2 {
				t.Errorf("answers by status = %v, want 429", codes)
			}
		}
	})
}

// seen gathers what reaches the address of a peer.
type seen struct {
	mu      sync.Mutex
	headers []http.Header
}

func (s *seen) add(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = append(s.headers, r.Header.Clone())
}

// take returns the values of all headers that came since it was called last.
func (s *seen) take() (values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.headers {
		for _, v := range h {
			values = append(values, v...)
		}
	}
	s.headers = nil
	return values
}

// requestsForOthers are calls that this instance does not answer alone.
var requestsForOthers = []request{
	{path: "operation/status/1025"}, {path: "operation/sign/detail/1025"}, {path: known},
	{path: "operation/sign/detail/withExternalReference/none"}, {path: "operation/id/withDocumentExternalReference/none"},
	{path: "operation/sign/detail/1025", method: http.MethodDelete},
	{path: "document/sign/base64", text: signRequest("keyed", "%PDF"), header: map[string]string{"Idempotency-Key": "k"}},
}

// TestCredentialsStay checks that no question to a peer carries the client's credentials.
func TestCredentialsStay(t *testing.T) {
	var came seen
	for _, mode := range []affinity.Mode{affinity.Forward, affinity.Redirect} {
		h := start(t, withPeerMode(t, mode, func(w http.ResponseWriter, r *http.Request) {
			came.add(r)
			if r.Method == http.MethodGet {
				http.NotFound(w, r)
			}
		}))
		bearer := token(h, "")
		for _, secret := range []string{basic(alice, aliceSecret), "Bearer " + bearer} {
			for _, r := range requestsForOthers {
				r.auth = secret
				if r.text != "" {
					r.header = map[string]string{"Idempotency-Key": secret[:6]}
				}
				h.do0(r)
				values := came.take()
				if len(values) == 0 && mode == affinity.Forward {
					t.Errorf("%s %s: the peer was not asked", r.method, r.path)
				}
				for _, v := range values {
					if strings.Contains(v, strings.SplitN(secret, " ", 2)[1]) || strings.HasPrefix(v, "Basic ") {
						t.Errorf("%s %s: the client's credentials reached the peer", r.method, r.path)
					}
				}
			}
		}
	}
}

// TestNoSharedKey checks that a peer is not asked if nothing proves its identity, and that the
// error gives the reason.
func TestNoSharedKey(t *testing.T) {
	var came seen
	with := withPeer(t, func(_ http.ResponseWriter, r *http.Request) { came.add(r) })
	h := start(t, func(h *harness) { with(h); h.cfg.SharedTokenKey = false })
	for _, r := range requestsForOthers {
		got := h.do0(r)
		got.fails(http.StatusServiceUnavailable, "503",
			"instance proxy-1 is not asked, because no key is shared with it (--token.signing.key)")
		if got.Header().Get("Retry-After") == "" {
			t.Errorf("%s has no Retry-After", r.path)
		}
	}
	if values := came.take(); values != nil {
		t.Errorf("the peer was asked with %q", values)
	}
}

// TestCertifiedPeer checks that, without a shared key, a certificate of the authorities for peers
// is accepted as proof.
func TestCertifiedPeer(t *testing.T) {
	var came seen
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.add(r)
		w.Header().Set(affinity.InstanceHeader, "proxy-1")
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	other := affinity.Published{
		Name:     "proxy-1",
		Ordinal:  1,
		Host:     "h",
		Port:     1,
		Internal: strings.TrimPrefix(s.URL, "https://"),
	}
	for name, authorities := range map[string]*x509.CertPool{"named authorities": pool, "the system's": nil} {
		f, err := affinity.NewForwarder(affinity.ForwarderConfig{
			Mode: affinity.Forward, Name: "proxy-0", Source: peers{other: other}, Log: logr.Discard(),
			TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Authorities: func() *x509.CertPool { return authorities },
		})
		if err != nil {
			t.Fatal(err)
		}
		h := start(t, func(h *harness) { h.cfg.Forwarder = f })
		code := h.do(request{path: known}).Code
		values := strings.Join(came.take(), "\n")
		if strings.Contains(values, basic(alice, aliceSecret)) != (authorities != nil) {
			t.Errorf("%s: answer %d; the peer was asked with %q", name, code, values)
		}
	}
}

// forwardToken is a token as proxy-0 makes it for a request at the instance uid, with changed
// claims.
func forwardToken(t *testing.T, h *harness, method, uri string, change func(claims, forward jwt.MapClaims)) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(method + "\x00" + u.Path + "\x00" + u.RawQuery))
	return forge(t, token(h, ""), h.cfg.TokenKey, func(c jwt.MapClaims) {
		now := time.Now() // once: both times are rounded down to seconds, and may differ by 30 s only
		forward := jwt.MapClaims{
			"instance": "uid",
			"name":     "proxy-0",
			"request":  base64.RawURLEncoding.EncodeToString(digest[:]),
		}
		c["iat"], c["exp"], c["forward"] = now.Unix(), now.Add(30*time.Second).Unix(), forward
		if change != nil {
			change(c, forward)
		}
	})
}

var forwardedTo = map[string]string{affinity.ForwardedHeader: "proxy-0", affinity.TargetHeader: "uid"}

func newPeer(t *testing.T) *harness {
	return newHarness(t, func(h *harness) {
		h.cfg.Identity, h.cfg.SharedTokenKey = affinity.NewIdentity("uid"), true
		h.cfg.Identity.Opened("state", []string{"uid-before"})
	})
}

// TestForwardTokenIsOfOneRequest checks that a stolen forward token is accepted only for the
// request that it was made for.
func TestForwardTokenIsOfOneRequest(t *testing.T) {
	h := newPeer(t)
	const path = base + known + "?wait=1s"
	none := func(_, _ jwt.MapClaims) {}
	for _, tt := range []struct {
		name   string
		change func(claims, forward jwt.MapClaims)
		ask    request
		good   bool
	}{
		{"as it was made", none, request{path: path}, true},
		{"with doubled slashes", none, request{path: strings.Replace(path, "/operation/", "//operation///", 1)}, true},
		{"for the name alone", func(_, f jwt.MapClaims) { delete(f, "instance") }, request{path: path}, true},
		{"another path", none, request{path: base + "operation/status/1024"}, false},
		{"another query", none, request{path: base + known}, false},
		{"another method", none, request{path: path, method: http.MethodHead}, false},
		{"another run of the instance", func(_, f jwt.MapClaims) { f["instance"] = "another" }, request{path: path}, false},
		{"an earlier run with the same state folder", func(_, f jwt.MapClaims) {
			f["instance"] = "uid-before"
		}, request{path: path}, true},
		{"another instance", func(_, f jwt.MapClaims) {
			delete(f, "instance")
			f["name"] = "proxy-1"
		}, request{path: path}, false},
		{"no instance", func(_, f jwt.MapClaims) { delete(f, "instance"); delete(f, "name") }, request{path: path}, false},
		{"another client service that does not exist", func(c, _ jwt.MapClaims) {
			c["sub"] = "gone"
		}, request{path: path}, false},
		{"a lifetime that is too long", func(c, _ jwt.MapClaims) {
			c["exp"] = time.Now().Add(time.Minute).Unix()
		}, request{path: path}, false},
		{"an old one", func(c, _ jwt.MapClaims) {
			made := time.Now().Add(-62 * time.Second)
			c["iat"], c["exp"] = made.Unix(), made.Add(30*time.Second).Unix()
		}, request{path: path}, false},
		{"of a secret that is gone", func(c, _ jwt.MapClaims) { c["secret"] = "AAAA" }, request{path: path}, false},
		{"for a peer that has not proved itself", func(_, f jwt.MapClaims) {
			f["unproved"] = true
		}, request{path: path}, true},
	} {
		tt.ask.auth = "Bearer " + forwardToken(t, h, http.MethodGet, path, tt.change)
		tt.ask.header = forwardedTo
		got := h.do0(tt.ask)
		if (got.Code == http.StatusNotFound) != tt.good || !tt.good && got.Code != http.StatusUnauthorized {
			t.Errorf("%s = %d %s, want it accepted: %v", tt.name, got.Code, got.text, tt.good)
		}
	}
	once := request{path: path, auth: "Bearer " + forwardToken(t, h, http.MethodGet, path, nil)}
	h.do(once).fails(http.StatusUnauthorized, "0.0.10", "another request") // without the header of a forwarded request
	once.header = forwardedTo
	h.do(once).fails(http.StatusNotFound, "404", "")
	h.do(once).fails(http.StatusUnauthorized, "0.0.10", "used before")

	remove := base + "operation/sign/detail/1024"
	unproved := forwardToken(t, h, http.MethodDelete, remove, func(_, f jwt.MapClaims) { f["unproved"] = true })
	h.do(request{method: http.MethodDelete, path: remove, auth: "Bearer " + unproved, header: forwardedTo}).
		fails(http.StatusUnauthorized, "0.0.10", "has not proved itself")
}

// TestForwardTokenInTime checks that clocks may differ by half a minute, and that no difference
// makes a token valid twice.
func TestForwardTokenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPeer(t)
		made := func(ago time.Duration) request {
			tok := forwardToken(t, h, http.MethodGet, base+known, func(c, _ jwt.MapClaims) {
				c["iat"], c["exp"] = time.Now().Add(-ago).Unix(), time.Now().Add(30*time.Second-ago).Unix()
			})
			return request{path: known, header: forwardedTo, auth: "Bearer " + tok}
		}
		for ago, want := range map[time.Duration]int{
			-30 * time.Second: http.StatusNotFound, -32 * time.Second: http.StatusUnauthorized,
			58 * time.Second: http.StatusNotFound, 61 * time.Second: http.StatusUnauthorized,
		} {
			if got := h.do(made(ago)); got.Code != want {
				t.Errorf("a token that was made %v ago = %d %s, want %d", ago, got.Code, got.text, want)
			}
		}
		ahead := made(-30 * time.Second)
		for range 10 {
			h.do0(ahead)
			time.Sleep(10 * time.Second)
			if got := h.do(ahead); got.Code != http.StatusUnauthorized {
				t.Errorf("a token that was used = %d, want 401", got.Code)
			}
		}
	})
}

// TestForwardTokenOfAReplacedKey checks that forward tokens of the previous key are accepted for as
// long as an instance may take to read the new key.
func TestForwardTokenOfAReplacedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newPeer(t)
		slow := newPeer(t)
		ask := func() response {
			tok := forwardToken(t, slow, http.MethodGet, base+known, nil)
			return h.do(request{path: known, header: forwardedTo, auth: "Bearer " + tok})
		}
		h.api.SetTokenKey(bytes.Repeat([]byte("n"), 32))
		ask().fails(http.StatusNotFound, "404", "")
		time.Sleep(2 * time.Minute)
		ask().fails(http.StatusNotFound, "404", "")
		time.Sleep(time.Minute)
		ask().fails(http.StatusUnauthorized, "0.0.10", "replaced")
	})
}

// TestEarlierReleaseAsPeer checks that an instance of a release without proofs is asked, and that
// its answer is accepted.
func TestEarlierReleaseAsPeer(t *testing.T) {
	peer, handle, _ := startPeer(t)
	tokens := 0
	h := start(t, withPeer(t, func(w http.ResponseWriter, r *http.Request) {
		// That release reads the token as one of the token endpoint: it ignores what it does not
		// know, and proves nothing.
		plain := forge(
			t,
			strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
			peer.cfg.TokenKey,
			func(c jwt.MapClaims) {
				delete(c, "forward")
				delete(c, "secret")
			},
		)
		r.Header.Set("Authorization", "Bearer "+plain)
		tokens++
		handle(w, r)
	}))
	keyed := request{
		path: "document/sign/base64", text: signRequest("theirs", "%PDF"), header: map[string]string{"Idempotency-Key": "k"},
	}
	signed := peer.do(keyed)
	signed.is(http.StatusOK, nil)
	found := h.do(request{path: "operation/status/withExternalReference/theirs"})
	found.is(http.StatusOK, map[string]string{"0.id": signed.at("id")})
	h.do(keyed).is(http.StatusOK, map[string]string{"id": signed.at("id")})
	if tokens < 3 {
		t.Errorf("the peer was asked %d times, want 3", tokens)
	}
}

// TestEarlierReleaseAsks checks that a request of an earlier release, which passes on the client's
// credentials, is answered.
func TestEarlierReleaseAsks(t *testing.T) {
	h := newPeer(t)
	h.do(request{path: known, header: forwardedTo}).fails(http.StatusNotFound, "404", "")
	if got := h.do0(request{path: known, header: forwardedTo}).Header().Get(affinity.ProofHeader); got != "" {
		t.Errorf("a request without a forward token is answered with the proof %q", got)
	}
}

// TestStrangerAtAPeersAddress checks that a server without the key is not believed at a peer's
// address, and gets no document.
func TestStrangerAtAPeersAddress(t *testing.T) {
	methods := map[string]int{}
	h := start(t, withPeer(t, func(w http.ResponseWriter, r *http.Request) {
		methods[r.Method]++
		w.Header().Set(affinity.ProofHeader, "AAAA")
		_, _ = fmt.Fprint(w, "1025")
	}))
	for _, r := range requestsForOthers {
		h.do0(r).fails(http.StatusServiceUnavailable, "503", "instance proxy-1 does not answer")
	}
	if methods[http.MethodPost]+methods[http.MethodDelete] > 0 {
		t.Errorf("the stranger was sent %v", methods)
	}
}
