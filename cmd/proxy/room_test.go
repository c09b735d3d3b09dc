package main_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// TestNoRoom checks an instance that refuses every request because it has no room. It is not ready,
// so that other instances get the requests, and its metrics show the reason. It still serves reads.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t, "--disk.min-free=1000000TiB")
	p.o.Unready = true
	p.start(t)
	code, why := readyz(t, p)
	for ; why == "starting\n"; code, why = readyz(t, p) {
		runtime.Gosched() // there is no signal that it has started
	}
	if code != http.StatusServiceUnavailable || !strings.HasPrefix(why, "the state folder has no room: ") ||
		!strings.Contains(why, "bytes") || !strings.Contains(why, "--") {
		t.Errorf("readyz = %d %q, want 503 and why", code, why)
	}
	_, _ = readyz(t, p)
	if n := strings.Count(p.log(t), "the state folder has no room"); n != 1 {
		t.Errorf("the log reports the full disk %d times, want once, not for each probe", n)
	}
	answer := post(t, p, "document/sign/async/base64", requestBody(t, "first"))
	if answer.status != http.StatusServiceUnavailable {
		t.Errorf("a request is answered with %d, want 503", answer.status)
	}
	if got, ok := p.metrics(t)["signstash_state_writable"]; got != 0 || !ok {
		t.Errorf("signstash_state_writable = %v, %v, want 0", got, ok)
	}
	if answer := get(t, p, "operation/status/withExternalReference/first"); answer.status != http.StatusNotFound {
		t.Errorf("a read is answered with %d, want 404", answer.status)
	}
}

func readyz(t *testing.T, p *testProxy) (code int, why string) {
	t.Helper()
	resp, err := http.Get(p.Management + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
