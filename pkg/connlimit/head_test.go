package connlimit_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
)

// fields returns n fields. A request also has Host.
func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "A%d: b\r\n", i)
	}
	return b.String()
}

// TestHeadIsBounded checks that a head within the limits is served, and that a larger one is
// answered 431 and not parsed.
func TestHeadIsBounded(t *testing.T) {
	long := func(n int) string {
		return "X: " + strings.Repeat("x", n-len("GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n")) + "\r\n"
	}
	for _, encrypted := range []bool{false, true} {
		cfg := connlimit.Config{}
		if encrypted {
			cfg.TLS = certificate(t)
		}
		h := serve(t, cfg, http.HandlerFunc(echo))
		for name, test := range map[string]struct {
			head   string // after Host
			status int
		}{
			"few fields":       {fields(10), http.StatusOK},
			"as many fields":   {fields(99), http.StatusOK},
			"too many fields":  {fields(100), http.StatusRequestHeaderFieldsTooLarge},
			"many more fields": {fields(9200), http.StatusRequestHeaderFieldsTooLarge},
			"continued lines":  {"X: a\r\n" + strings.Repeat(" b\r\n", 100), http.StatusRequestHeaderFieldsTooLarge},
			"bare line feeds":  {strings.ReplaceAll(fields(100), "\r", ""), http.StatusRequestHeaderFieldsTooLarge},
			"as many bytes":    {long(16 << 10), http.StatusOK},
			"too many bytes":   {long(16<<10 + 1), http.StatusRequestHeaderFieldsTooLarge},
			"a megabyte":       {long(1 << 20), http.StatusRequestHeaderFieldsTooLarge},
		} {
			t.Run(fmt.Sprint(name, ", TLS ", encrypted), func(t *testing.T) {
				c := h.dial()
				// the server may close the connection first
				go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n"+test.head+"\r\n") }()
				if status, body := answer(t, bufio.NewReader(c)); status != test.status {
					t.Errorf("answer = %d %q, want %d", status, body, test.status)
				}
			})
		}
		if n := h.count("signstash_connections_closed_total", "head"); n != 6 {
			t.Errorf("%v heads were counted, want 6", n)
		}
	}
}

// TestHTTP2HeadIsBounded checks that HTTP/2 has the same limits.
func TestHTTP2HeadIsBounded(t *testing.T) {
	h := serve(t, connlimit.Config{TLS: certificate(t)}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.ProtoMajor != 2 {
			t.Errorf("protocol = %s, TLS = %v, want HTTP/2 with TLS", r.Proto, r.TLS)
		}
		echo(w, r)
	}))
	client := h.http2Client()
	for n, want := range map[int]int{50: http.StatusOK, 101: http.StatusRequestHeaderFieldsTooLarge} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://x/path", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			r.Header.Set(fmt.Sprintf("A%d", i), "b")
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || want == http.StatusOK && string(body) != "/path:body" {
			t.Errorf("%d fields: %s %q, want %d", n, resp.Status, body, want)
		}
	}
}

// TestNoFalsePreface checks that a first request as long as the preface of HTTP/2 does not switch
// the limits off.
func TestNoFalsePreface(t *testing.T) {
	h := serve(t, connlimit.Config{TLS: certificate(t)}, http.HandlerFunc(echo))
	c := h.dial()
	r := bufio.NewReader(c)
	send(t, c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if status, _ := answer(t, r); status != http.StatusOK {
		t.Fatalf("first answer = %d, want 200", status)
	}
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n"+fields(100)+"\r\n")
	if status, _ := answer(t, r); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("second answer = %d, want 431", status)
	}
}

// request is one request of a connection, and the answer of echo.
type request struct{ text, answer string }

// requests have bodies of all kinds. The bodies contain lines and empty lines, which are not heads.
func requests() []request {
	lines := strings.Repeat("a line\n", 500)
	return []request{
		{"GET /get HTTP/1.1\r\nHost: x\r\n\r\n", "/get:"},
		{"POST /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "/empty:"},
		{"POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na\r\n\r\n", "/short:a\r\n\r\n"},
		{
			fmt.Sprintf("POST /lines HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(lines), lines), "/lines:" + lines,
		},
		{
			fmt.Sprintf(
				"POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n3\r\n\n\nx\r\n0\r\n\r\n",
				len(lines), lines,
			),
			"/chunks:" + lines + "\n\nx",
		},
		{
			"POST /trailer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\n", "/trailer:ab",
		},
	}
}

// TestKeptConnection checks that requests with bodies of all kinds can follow each other on one
// connection, however the network cuts them into packets.
func TestKeptConnection(t *testing.T) {
	h := serve(t, connlimit.Config{}, http.HandlerFunc(echo))
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	all := requests()
	for range 20 {
		c := h.dial()
		r := bufio.NewReader(c)
		for i := range 20 {
			one := all[random.IntN(len(all))]
			for text := one.text; text != ""; {
				n := 1 + random.IntN(min(len(text), 600))
				send(t, c, text[:n])
				text = text[n:]
			}
			if status, body := answer(t, r); status != http.StatusOK || body != one.answer {
				t.Fatalf("seed %d, request %d: %d %.100q, want %.100q", seed, i, status, body, one.answer)
			}
		}
	}
}

// TestPipelinedRequests checks that requests that are sent together are answered in order, and that
// a head beyond the limits after them is never served. After a chunked body the connection may end.
func TestPipelinedRequests(t *testing.T) {
	h := serve(t, connlimit.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header) > 100 {
			t.Errorf("%d fields were parsed", len(r.Header))
		}
		echo(w, r)
	}))
	all := requests()
	for i, first := range all {
		for j, second := range all {
			c := h.dial()
			r := bufio.NewReader(c)
			go func() {
				// the server may close the connection first
				_, _ = io.WriteString(c, first.text+second.text+"GET /last HTTP/1.1\r\nHost: x\r\n"+fields(100)+"\r\n")
			}()
			for k, want := range []string{first.answer, second.answer} {
				if status, body := answer(t, r); status != http.StatusOK || body != want {
					t.Fatalf("%d, %d, answer %d: %d %.100q, want %.100q", i, j, k, status, body, want)
				}
			}
			if resp, err := http.ReadResponse(r, nil); err == nil && resp.StatusCode < 400 {
				t.Errorf("%d, %d: the last request was answered %s", i, j, resp.Status)
			}
		}
	}
}

// TestPlainHTTPOnTLSPort checks that a client that speaks HTTP to the HTTPS port gets an answer
// that says so.
func TestPlainHTTPOnTLSPort(t *testing.T) {
	h := serve(t, connlimit.Config{TLS: certificate(t)}, http.HandlerFunc(echo))
	h.tls = nil
	c := h.dial()
	send(t, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if status, body := answer(t, bufio.NewReader(c)); status != http.StatusBadRequest || !strings.Contains(body, "HTTPS") {
		t.Errorf("answer = %d %q, want 400 that names HTTPS", status, body)
	}
}
