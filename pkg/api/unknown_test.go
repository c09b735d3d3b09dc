package api_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUnknownClientIsAnsweredFirst checks that a client without valid credentials gets its answer
// before its body is drained, and that its header fields are released before that. The connection
// ends soon after, whatever the client does.
func TestUnknownClientIsAnsweredFirst(t *testing.T) {
	const signCall = "POST " + base + "document/sign/base64 HTTP/1.1\r\nHost: x\r\n"
	for name, head := range map[string]string{
		"no credentials":    signCall + "Content-Length: 16000000\r\n\r\n",
		"wrong credentials": header("document/sign/base64", basic(alice, "wrong"), "Content-Length: 100"),
		"in chunks":         signCall + "Transfer-Encoding: chunked\r\n\r\n",
		"no such call":      "POST " + base + "none HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"page":              "GET " + pagePath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var kept *http.Request
			note := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					kept = r
					next.ServeHTTP(w, r)
				})
			}
			overPipeWith(t, nil, note, func(t *testing.T, _ *harness, dial func(string) net.Conn) {
				began := time.Now()
				c := dial(head)
				r := bufio.NewReader(c)
				_ = c.SetReadDeadline(began.Add(time.Hour)) // else a failure ends as a deadlock
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				if err != nil || len(text) == 0 || !resp.Close {
					t.Errorf("answer = %v with %d bytes, %v, want one that ends the connection", resp, len(text), err)
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("the answer took %v, want none", took)
				}
				synctest.Wait()
				if resp.StatusCode >= 400 && len(kept.Header) > 0 {
					t.Errorf("%d fields are kept while the body is drained", len(kept.Header))
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("the connection ended after %v, want 5 s at most", took)
				}
			})
		})
	}
}

// TestUnknownClientOverHTTP2 sends a large body without credentials over HTTP/2.
func TestUnknownClientOverHTTP2(t *testing.T) {
	s := newHTTP2(t, start(t, nil))
	resp, err := s.Client().Post(s.URL+base+"document/sign/base64", "application/json",
		strings.NewReader(strings.Repeat("x", 8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || resp.ProtoMajor != 2 {
		t.Errorf("answer = %s over %s, want 401 over HTTP/2", resp.Status, resp.Proto)
	}
}
