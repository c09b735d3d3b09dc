package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
)

const pagePath = api.DefaultBasePath + "/swagger-ui.html"

// overPipe runs test on a fake clock with connections to an API, whose server has the time-outs of
// the proxy's.
func overPipe(
	t *testing.T, change func(*harness), test func(t *testing.T, h *harness, dial func(text string) net.Conn),
) {
	t.Helper()
	overPipeWith(t, change, func(next http.Handler) http.Handler { return next }, test)
}

// overPipeWith is overPipe with something in front of the API.
func overPipeWith(
	t *testing.T,
	change func(*harness),
	wrap func(http.Handler) http.Handler,
	test func(t *testing.T, h *harness, dial func(text string) net.Conn),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := start(t, change)
		l := pipenet.Listen()
		server := &http.Server{
			Handler:           wrap(h.api.Handler()),
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       90 * time.Second,
		}
		go func() { _ = server.Serve(l) }()
		defer time.Sleep(time.Second) // which net/http takes to let go of a connection that it closes
		defer server.Close()
		test(t, h, func(text string) net.Conn {
			c, err := l.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			return c
		})
	})
}

// TestBodyThatNeverArrives checks that the server answers and closes the connection within about a
// minute if a client announces a body and does not send it. This holds for every call and status.
func TestBodyThatNeverArrives(t *testing.T) {
	credentials := "Authorization: " + basic(alice, aliceSecret)
	for name, head := range map[string][]string{
		"page":             {"GET " + pagePath, "Content-Length: 1"},
		"page in chunks":   {"GET " + pagePath, "Transfer-Encoding: chunked"},
		"redirect":         {"GET " + strings.TrimSuffix(base, "/api/v0/"), "Content-Length: 1"},
		"status":           {"GET " + base + "operation/status/1024000", "Content-Length: 1", credentials},
		"removal":          {"DELETE " + base + "operation/sign/detail/1024000", "Content-Length: 1", credentials},
		"short silence":    {"POST " + base + "document/sign/base64", "Content-Length: 10", credentials},
		"nobody's request": {"POST " + base + "document/sign/base64", "Content-Length: 10"},
	} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, nil, func(t *testing.T, h *harness, dial func(string) net.Conn) {
				h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
				head[0] += " HTTP/1.1\r\nHost: x"
				began := time.Now()
				c := dial(strings.Join(head, "\r\n") + "\r\n\r\n")
				_ = c.SetReadDeadline(began.Add(time.Hour)) // without it, a failure of the test is a deadlock
				answer, err := io.ReadAll(c)
				// a minute of silence, 5 s to drain
				if took := time.Since(began); err != nil || len(answer) == 0 || took > 66*time.Second {
					t.Errorf("after %v: %.100q, %v, want an answer and the end of the connection", took, answer, err)
				}
			})
		})
	}
}

// TestConnectionIsKept checks that a body which was read to its end leaves no deadline behind, and
// that a late body is not taken for a stalled one.
func TestConnectionIsKept(t *testing.T) {
	overPipe(
		t,
		func(h *harness) { h.provider.hold = make(chan struct{}) },
		func(t *testing.T, h *harness, dial func(string) net.Conn) {
			text := signRequest("r", "%PDF")
			c := dial("POST " + base + "document/sign/base64 HTTP/1.1\r\nHost: x\r\nAuthorization: " + basic(
				alice,
				aliceSecret,
			) + "\r\nTransfer-Encoding: chunked\r\n\r\n")
			time.Sleep(30 * time.Second)
			for _, piece := range []string{fmt.Sprintf("%x\r\n%s\r\n", len(text), text), "0\r\n\r\n"} {
				if _, err := io.WriteString(c, piece); err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
			}
			close(h.provider.hold)
			r := readAnswer(t, c)
			if r.StatusCode != http.StatusOK {
				t.Errorf("answer = %v, want 200", r.Status)
			}
			time.Sleep(80 * time.Second)
			if _, err := io.WriteString(c, "GET "+pagePath+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if r := readAnswer(t, c); r.StatusCode != http.StatusOK {
				t.Errorf("second answer = %v, want 200", r.Status)
			}
		},
	)
}

// TestTricklingUpload sends a body slowly and without end. Such a body does not keep its
// place; one that is merely slow does.
func TestTricklingUpload(t *testing.T) {
	for name, test := range map[string]struct {
		piece  int // bytes every 30 s
		closed bool
	}{"trickling": {1, true}, "below the least": {30_000, true}, "slow": {31_000, false}} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, nil, func(t *testing.T, h *harness, dial func(string) net.Conn) {
				began := time.Now()
				c := dial(
					"POST " + base + "document/sign/base64 HTTP/1.1\r\nHost: x\r\nAuthorization: " + basic(alice, aliceSecret) +
						"\r\nContent-Length: 100000000\r\n\r\n{\"unknown\":\"",
				)
				go func() { _, _ = io.Copy(io.Discard, c) }()
				var err error
				for time.Since(began) < 3*time.Hour && err == nil {
					_, err = io.WriteString(c, strings.Repeat("x", test.piece))
					time.Sleep(30 * time.Second)
				}
				if (err != nil) != test.closed {
					t.Errorf("after %v: %v, want it closed: %v", time.Since(began), err, test.closed)
				}
				c.Close()
				h.log.next(`"msg"="request"`, `"status"=499`)
			})
		})
	}
}

// readAnswer reads one answer with its body.
func readAnswer(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp
}
