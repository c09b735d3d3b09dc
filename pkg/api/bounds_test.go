package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func TestWaitingRequestsAreBounded(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.MaxWaiting = 2; h.provider.hold = make(chan struct{}) })
	answers := make(chan response, 2)
	for _, auth := range []string{basic(alice, aliceSecret), basic(bob, bobSecret)} {
		go func() {
			answers <- h.do0(request{path: "document/sign/base64", text: signRequest("held", "%PDF"), auth: auth})
		}()
		<-h.store.created // and waits for its result from here
		refused := h.do(
			request{path: "document/sign/base64", body: neverRead{t}, header: map[string]string{"Expect": "100-continue"}},
		)
		refused.fails(http.StatusServiceUnavailable, "503", "too many synchronous requests wait")
		if got := refused.Header().Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After = %q, want 1", got)
		}
	}
	h.do(request{path: "document/sign/async/base64", text: signRequest("async", "%PDF")}).is(http.StatusAccepted, nil)
	close(h.provider.hold)
	for range 2 {
		if resp := <-answers; resp.Code != http.StatusOK {
			t.Errorf("a waiting request = %d %s, want 200", resp.Code, resp.text)
		}
	}
	h.do(request{path: "document/sign/base64", text: signRequest("later", "%PDF")}).is(http.StatusOK, nil)
}

// TestPollsAreBounded checks that a status call is answered at once when no place to wait is free,
// and that one client service gets half of the places.
func TestPollsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(h *harness) { h.cfg.MaxPolls = 2; h.provider.hold = make(chan struct{}) })
		bobs := basic(bob, bobSecret)
		h.do(request{path: "document/sign/async/base64", text: signRequest("slow", "%PDF")}).is(http.StatusAccepted, nil)
		h.do(request{path: "document/sign/async/base64", text: signRequest("slow", "%PDF"), auth: bobs}).
			is(http.StatusAccepted, nil)
		poll := request{path: "operation/status/withExternalReference/slow?wait=30s"}
		waited := func(auth string) time.Duration {
			began := time.Now()
			p := poll
			p.auth = auth
			h.do0(p).is(http.StatusOK, map[string]string{"0.status": "PENDING_EXECUTION"})
			return time.Since(began)
		}
		first := make(chan time.Duration)
		go func() { first <- waited("") }()
		synctest.Wait()
		if got := waited(""); got != 0 {
			t.Errorf("a poll without a place took %v, want 0", got)
		}
		if got := waited(bobs); got != 30*time.Second {
			t.Errorf("a neighbour's poll took %v, want 30 s", got)
		}
		if got := <-first; got != 30*time.Second {
			t.Errorf("the first poll took %v, want 30 s", got)
		}
		if got := waited(""); got != 30*time.Second {
			t.Errorf("a poll after it took %v, want 30 s", got)
		}
		close(h.provider.hold)
	})
}

// TestTextOfAllRequestsIsBounded checks that a request which would exceed the bound is refused and
// leaves nothing behind, while other requests continue.
func TestTextOfAllRequestsIsBounded(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.MaxTextBytes = 64 << 10 })
	wordy := func(reference string) string {
		return `{"preservationInfo":"` + strings.Repeat("x", 20_000) + `",` + signRequest(reference, "%PDF")[1:]
	}
	r, w := io.Pipe()
	answer := make(chan response, 1)
	go func() { answer <- h.do0(request{path: "document/sign/async/base64", body: r}) }()
	held := wordy("held")
	half := len(held) / 2
	half += strings.Index(held[half:], `,"documents"`)
	for _, part := range []string{held[:half], held[half : half+1]} { // the second is read when the first is understood
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	open := h.store.open.Load()
	refused := h.do(request{path: "document/sign/base64", text: wordy("refused")})
	refused.fails(http.StatusServiceUnavailable, "503", "too much text")
	if got := refused.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q, want 1", got)
	}
	if got := h.store.open.Load(); got != open {
		t.Errorf("%d uploads are open, want %d", got, open)
	}
	h.do(request{path: "document/sign/base64", text: signRequest("short", "%PDF")}).is(http.StatusOK, nil)
	h.do(request{path: "document/sign/base64", text: wordy("neighbour"), auth: basic(bob, bobSecret)}).
		is(http.StatusOK, nil)

	// Documents count, however little they say.
	many := `{"documents":[` + strings.Repeat(`{},`, 100) + `{}]}`
	h.do(request{path: "document/sign/base64", text: many}).fails(http.StatusServiceUnavailable, "503", "too much text")

	if _, err := io.WriteString(w, held[half+1:]); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if resp := <-answer; resp.Code != http.StatusAccepted {
		t.Errorf("the held request = %d %s, want 202", resp.Code, resp.text)
	}
	for range 3 { // all requests have given back their shares, the refused ones too
		key := map[string]string{"Idempotency-Key": "k"}
		h.do(request{path: "document/sign/base64", text: wordy("refused"), header: key}).is(http.StatusOK, nil)
	}
	h.do(request{path: "operation/status/withExternalReference/held?wait=30s"}).is(http.StatusOK, nil)
	h.nothingKept("none")
}

// panicking panics once, when it is read to its end.
type panicking struct {
	r    io.Reader
	done bool
}

func (p *panicking) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err == io.EOF && !p.done {
		p.done = true
		panic("while a body was read")
	}
	return n, err
}

func TestPanicWhileReadingKeepsNothing(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.MaxUploads, h.cfg.MaxWaiting = 2, 2 })
	for range 3 {
		text := strings.TrimSuffix(signRequest("r", "%PDF"), "]}")
		h.do(request{path: "document/sign/base64", body: &panicking{r: strings.NewReader(text)}}).
			fails(http.StatusInternalServerError, "0.0.1", "")
		h.nothingKept("r")
	}
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
}

func TestLongReferenceIsCutInTheLog(t *testing.T) {
	h := newHarness(t, nil)
	h.do(request{path: "operation/status/withExternalReference/a" + strings.Repeat("%C3%A9", 5000)}).
		fails(http.StatusNotFound, "404", "")
	line := h.log.next(`"msg"="request"`)
	if n := strings.Count(line, "é"); n != 127 || !utf8.ValidString(line) || strings.Contains(line, `\x`) {
		t.Errorf("the log line holds %d of the characters, want 127 whole ones: %.600s", n, line)
	}
}
