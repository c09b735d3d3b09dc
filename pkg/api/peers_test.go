package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// peers is a Source of instance 0 with one other one.
type peers struct {
	affinity.Fixed
	other affinity.Published
}

func (p peers) Directory() (affinity.Directory, bool) {
	return affinity.Directory{Expected: 2, Ever: 2, Endpoints: []affinity.Published{p.other}}, true
}

// withPeer gives a harness a peer that says whatever handle does, as the instance proxy-1.
func withPeer(t *testing.T, handle http.HandlerFunc) func(*harness) {
	t.Helper()
	return withPeerMode(t, affinity.Forward, handle)
}

func withPeerMode(t *testing.T, mode affinity.Mode, handle http.HandlerFunc) func(*harness) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(affinity.InstanceHeader, "proxy-1")
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	other := affinity.Published{
		Name:     "proxy-1",
		Ordinal:  1,
		Host:     "h",
		Port:     1,
		Internal: strings.TrimPrefix(s.URL, "http://"),
	}
	f, err := affinity.NewForwarder(
		affinity.ForwarderConfig{Mode: mode, Name: "proxy-0", Source: peers{other: other}, Log: logr.Discard()},
	)
	if err != nil {
		t.Fatal(err)
	}
	return func(h *harness) { h.cfg.Forwarder, h.cfg.SharedTokenKey = f, true }
}

// refuses knows every Idempotency-Key, and refuses the request itself before it has read it.
func refuses(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		return
	}
	w.Header().Set("Retry-After", "7")
	w.Header().Set("Content-Length", "4")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, "full")
	_ = http.NewResponseController(w).Flush()
}

// TestPeerRefusesABody checks that the answer of a peer that has not read the body reaches the
// client, if the client sends all of it before it reads, and if it has stopped sending. Run it with
// -race: only one goroutine at a time may read the body.
func TestPeerRefusesABody(t *testing.T) {
	for name, sent := range map[string]int{"all is sent": 1 << 20, "half is sent": 1 << 19} {
		t.Run(name, func(t *testing.T) {
			h := start(t, withPeer(t, refuses))
			c := dial(t, h.serve(), header("document/sign/base64", basic(alice, aliceSecret), "Idempotency-Key: k",
				fmt.Sprint("Content-Length: ", 1<<20)))
			if _, err := c.Write(bytes.Repeat([]byte(" "), sent)); err != nil {
				t.Fatalf("send: %v", err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatalf("the answer was lost: %v", err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusTooManyRequests || string(text) != "full" || err != nil ||
				resp.Header.Get("Retry-After") != "7" {
				t.Errorf("the client got %d %q, %v, want the peer's 429", resp.StatusCode, text, err)
			}
			if got := resp.Header.Get(affinity.InstanceHeader); got != "proxy-1" {
				t.Errorf("%s = %q, want proxy-1", affinity.InstanceHeader, got)
			}
			h.log.next(`"forwardedTo"="proxy-1"`)
		})
	}
}

// startPeer makes the instance proxy-1. paths receives the paths that it is asked.
func startPeer(t *testing.T) (peer *harness, handle http.HandlerFunc, paths *[]string) {
	t.Helper()
	return startPeerWith(t, nil)
}

func startPeerWith(t *testing.T, change func(*harness)) (peer *harness, handle http.HandlerFunc, paths *[]string) {
	t.Helper()
	peer = start(t, func(h *harness) {
		h.cfg.Endpoint = func() affinity.Endpoint { return affinity.Endpoint{Name: "proxy-1", Host: "h", Port: 1} }
		if change != nil {
			change(h)
		}
	})
	paths = new([]string)
	return peer, func(w http.ResponseWriter, r *http.Request) {
		*paths = append(*paths, r.URL.RequestURI())
		peer.api.Handler().ServeHTTP(w, r)
	}, paths
}

// TestNewestDocument checks that, of two instances that know a document reference, the one with the
// newest operation answers, whichever is asked. The time that instances tell each other is not sent
// to the client.
func TestNewestDocument(t *testing.T) {
	const path = "operation/id/withDocumentExternalReference/doc-0"
	sign := func(h *harness, reference string) string {
		t.Helper()
		r := h.do(request{path: "document/sign/base64", text: signRequest(reference, "%PDF")})
		r.is(http.StatusOK, nil)
		return r.at("id")
	}
	for _, mode := range []affinity.Mode{affinity.Forward, affinity.Redirect} {
		t.Run(string(mode), func(t *testing.T) {
			peer, handle, _ := startPeer(t)
			h := start(t, withPeerMode(t, mode, handle))
			h.do(request{path: path}).fails(http.StatusNotFound, "404", "")
			sign(peer, "first")
			own := sign(h, "second")
			r := h.do(request{path: path})
			r.is(http.StatusOK, map[string]string{"": own})
			who, created := r.Header().Get(affinity.InstanceHeader), r.Header().Get(affinity.CreatedHeader)
			if who != "proxy-0" || created != "" {
				t.Errorf("%s answered and said %q, want proxy-0 and no time", who, created)
			}
			theirs := sign(peer, "third")
			r = h.do(request{path: path})
			if mode == affinity.Redirect {
				if got := r.Header().Get("Location"); r.Code != http.StatusTemporaryRedirect || got != "http://h:1"+base+path {
					t.Errorf("answer = %d to %q, want 307 to proxy-1", r.Code, got)
				}
				return
			}
			r.is(http.StatusOK, map[string]string{"": theirs})
			if got := r.Header().Get(affinity.InstanceHeader); got != "proxy-1" || own == theirs {
				t.Errorf("id %s of %s, want proxy-1's", theirs, got)
			}
		})
	}
}

// TestProbe checks that the instance that holds an operation is found by a question that fetches
// nothing, in whatever form the client writes the reference.
func TestProbe(t *testing.T) {
	peer, handle, paths := startPeer(t)
	h := start(t, withPeerMode(t, affinity.Redirect, handle))
	peer.do(request{path: "document/sign/base64", text: signRequest("FT 2026/1", "%PDF")}).is(http.StatusOK, nil)
	for _, path := range []string{
		"operation/sign/detail/withExternalReference/FT%202026%2F1",
		"operation/sign/detail/withExternalReference?externalReference=FT+2026%2F1",
		"operation/sign/detail/withExternalReference/?externalReference=FT+2026%2F1",
		"operation//sign/detail/withExternalReference///FT%202026/1/",
	} {
		*paths = nil
		r := h.do(request{path: path})
		if got := r.Header().Get("Location"); r.Code != http.StatusTemporaryRedirect || got != "http://h:1"+base+path {
			t.Errorf("%s: answer = %d to %q, want 307 to proxy-1", path, r.Code, got)
		}
		for _, asked := range *paths {
			if !strings.Contains(asked, "/operation/status/") {
				t.Errorf("%s: the peer was asked for %s", path, asked)
			}
		}
	}
}

// TestRedirectReadsTheBody checks that a redirected client can send its whole body, so that it gets
// to reading the redirect.
func TestRedirectReadsTheBody(t *testing.T) {
	h := start(t,
		withPeerMode(t, affinity.Redirect, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	c := dial(t, h.serve(), header("document/sign/base64", basic(alice, aliceSecret), "Idempotency-Key: k",
		fmt.Sprint("Content-Length: ", 8<<20)))
	if _, err := c.Write(bytes.Repeat([]byte(" "), 8<<20)); err != nil {
		t.Fatalf("send: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("the answer was lost: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("the client got %d, want 307", resp.StatusCode)
	}
}

// TestEveryAnswerNamesTheInstance checks that every answer names the instance, because peers accept
// no other answers.
func TestEveryAnswerNamesTheInstance(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.Identity = affinity.NewIdentity("uid") })
	for name, r := range map[string]request{
		"200":          {path: "/signstash/einvoice-integration-client-ws/swagger-ui.html", auth: "none"},
		"401":          {path: known, auth: "none"},
		"404":          {path: known},
		"405":          {path: known, method: http.MethodPost},
		"421":          {path: known, header: map[string]string{affinity.TargetHeader: "another"}},
		"no such call": {path: "/x"},
	} {
		if got := h.do0(r).Header().Get(affinity.InstanceHeader); got != "proxy-0" {
			t.Errorf("%s: %s = %q, want proxy-0", name, affinity.InstanceHeader, got)
		}
	}
}

// TestTokenKeyChanges checks that tokens of the previous key are accepted until the last of them
// has expired, and that new tokens are signed with the new key.
func TestTokenKeyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newHarness(t, nil), newHarness(t, nil)
		accepted := func(h *harness, token, what string, want bool) {
			t.Helper()
			if got := h.do(request{path: known, auth: "Bearer " + token}).Code; (got == http.StatusNotFound) != want {
				t.Errorf("%s = %d, want it accepted: %v", what, got, want)
			}
		}
		before := token(one, "")
		next := bytes.Repeat([]byte("n"), 32)
		if !one.api.SetTokenKey(next) || one.api.SetTokenKey(next) {
			t.Error("SetTokenKey does not say when the key is another")
		}
		after := token(one, "")
		accepted(one, before, "a token of the key before", true)
		accepted(one, after, "a token of the new key", true)
		accepted(two, after, "a token of a key that is not there yet", false)
		late := token(two, "") // its mounted file is behind
		accepted(one, late, "a token that another instance made with the key before", true)
		two.api.SetTokenKey(next)
		accepted(two, after, "a token of the new key, once it is there", true)
		time.Sleep(24 * time.Hour)
		accepted(one, before, "a token that has expired", false)
		accepted(one, token(two, ""), "a new token", true)
	})
}
