package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// neverRead fails the test when a body is read.
type neverRead struct{ t *testing.T }

func (r neverRead) Read([]byte) (int, error) {
	r.t.Error("the body of a refused request was read")
	return 0, io.EOF
}

func TestRateOfOneClientService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.cfg.ClientRate = 10 })
		get := func(auth string) response {
			return h.do(request{path: "operation/status/withExternalReference/none", auth: auth})
		}
		for i := range 20 { // twice the rate at once
			if resp := get(""); resp.Code != http.StatusNotFound {
				t.Fatalf("request %d = %d, want it to be let through", i, resp.Code)
			}
		}
		resp := get("")
		resp.fails(http.StatusTooManyRequests, "429", "more than 10 requests a second")
		if got := resp.Header().Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After = %q, want 1", got)
		}
		body := neverRead{t}
		req := request{path: "document/sign/base64", body: body, header: map[string]string{"Expect": "100-continue"}}
		h.do(req).fails(http.StatusTooManyRequests, "429", "requests a second")
		if resp := get(basic(bob, bobSecret)); resp.Code != http.StatusNotFound {
			t.Errorf("request of a neighbour = %d, want it to be let through", resp.Code)
		}
		time.Sleep(100 * time.Millisecond)
		if resp := get(""); resp.Code != http.StatusNotFound {
			t.Errorf("request after a tenth of a second = %d, want it to be let through", resp.Code)
		}
		if resp := get(""); resp.Code != http.StatusTooManyRequests {
			t.Errorf("a second one = %d, want 429", resp.Code)
		}
	})
}

// TestRateOfTokens checks that requests for tokens count against the rate like any other request.
func TestRateOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.cfg.ClientRate = 10 })
		ask := request{
			method: http.MethodPost,
			path:   "/oauth2/authorization-server/oauth/token?grant_type=client_credentials",
		}
		for i := range 20 { // twice the rate at once
			if resp := h.do(ask); resp.Code != http.StatusOK {
				t.Fatalf("token %d = %d, want 200", i, resp.Code)
			}
		}
		if resp := h.do(ask); resp.Code != http.StatusTooManyRequests || resp.Header().Get("Retry-After") != "1" {
			t.Errorf("one more = %d %s, want 429 with Retry-After: 1", resp.Code, resp.text)
		}
		ask.auth = basic(bob, bobSecret)
		if resp := h.do(ask); resp.Code != http.StatusOK {
			t.Errorf("token of a neighbour = %d, want 200", resp.Code)
		}
	})
}

func TestUploadsOfOneClientService(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.MaxUploads = 4 })
	var hold []*io.PipeWriter
	answers := make(chan response, 2)
	for range 2 { // half of the places
		r, w := io.Pipe()
		hold = append(hold, w)
		go func() { answers <- h.do0(request{path: "document/sign/async/base64", body: r}) }()
		if _, err := w.Write([]byte("{")); err != nil { // is being read
			t.Fatal(err)
		}
	}
	h.do(request{path: "document/sign/base64", text: signRequest("more", "%PDF")}).
		fails(http.StatusTooManyRequests, "429", "2 requests of this client service are being read")
	h.do(request{path: "document/sign/base64", text: signRequest("other", "%PDF"), auth: basic(bob, bobSecret)}).
		is(http.StatusOK, nil)
	for i, w := range hold {
		if _, err := io.Copy(w, strings.NewReader(signRequest("held "+string(rune('a'+i)), "%PDF")[1:])); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		if resp := <-answers; resp.Code != http.StatusAccepted {
			t.Errorf("a held request = %d %s, want 202", resp.Code, resp.text)
		}
	}
	h.do(request{path: "document/sign/base64", text: signRequest("more", "%PDF")}).is(http.StatusOK, nil)
}
