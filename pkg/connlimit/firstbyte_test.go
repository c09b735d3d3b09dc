package connlimit_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
)

// TestEitherPort checks that a port with AllowPlaintext serves clients with and without TLS, over
// HTTP/1.1 and HTTP/2, tells its handler which of them uses TLS, and counts the requests without.
// The limits apply to both.
func TestEitherPort(t *testing.T) {
	h := serve(t, connlimit.Config{TLS: certificate(t), AllowPlaintext: true}, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "TLS %t, HTTP/%d: ", r.TLS != nil, r.ProtoMajor)
			echo(w, r)
		}))
	encrypted := h.tls
	over := func(own *tls.Config, text string) (int, string) {
		h.tls = own
		c := h.dial()
		go func() { _, _ = io.WriteString(c, text) }() // the server may close the connection first
		return answer(t, bufio.NewReader(c))
	}
	const small = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb"
	large := "GET / HTTP/1.1\r\nHost: x\r\n" + fields(100) + "\r\n"
	for _, test := range []struct {
		tls    *tls.Config
		text   string
		status int
		want   string
	}{
		{nil, small, http.StatusOK, "TLS false, HTTP/1: /a:b"},
		{encrypted, small, http.StatusOK, "TLS true, HTTP/1: /a:b"},
		{nil, large, http.StatusRequestHeaderFieldsTooLarge, "100 fields"},
		{encrypted, large, http.StatusRequestHeaderFieldsTooLarge, "100 fields"},
	} {
		if status, body := over(test.tls, test.text); status != test.status || !strings.Contains(body, test.want) {
			t.Errorf("TLS %t, %.20q: answer = %d %q, want %d with %q", test.tls != nil, test.text, status, body, test.status,
				test.want)
		}
	}
	h.tls = encrypted
	resp, err := h.http2Client().Get("https://x/path")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "TLS true, HTTP/2: /path:" {
		t.Errorf("answer over HTTP/2 = %q, want TLS and HTTP/2", body)
	}
	if n := h.count("signstash_plaintext_requests_total", ""); n != 1 {
		t.Errorf("%v requests without TLS were counted, want 1", n)
	}
}

// TestEitherPortKeepsConnections checks that requests follow each other on a connection, with and
// without TLS at the same time, and that a client that sends nothing holds nobody up.
func TestEitherPortKeepsConnections(t *testing.T) {
	h := serve(t, connlimit.Config{TLS: certificate(t), AllowPlaintext: true}, http.HandlerFunc(echo))
	encrypted := h.tls
	h.tls = nil
	h.dial() // sends nothing
	var clients sync.WaitGroup
	for _, own := range []*tls.Config{nil, encrypted} {
		h.tls = own
		c := h.dial()
		clients.Go(func() {
			r := bufio.NewReader(c)
			for _, one := range requests() {
				if _, err := io.WriteString(c, one.text); err != nil {
					t.Error(err)
					return
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != one.answer {
					t.Errorf("TLS %t: answer = %.100q, %v, want %.100q", own != nil, body, err, one.answer)
				}
			}
		})
	}
	clients.Wait()
}

// TestTLSOnPlainPort checks that a client that begins a TLS handshake at a port without TLS gets an
// answer that shows the mistake, and does not wait for the end of HeadTimeout.
func TestTLSOnPlainPort(t *testing.T) {
	h := serve(t, connlimit.Config{HeadTimeout: time.Hour}, http.HandlerFunc(echo))
	h.tls = &tls.Config{InsecureSkipVerify: true} // the handshake never gets as far as a certificate
	for range 20 {
		err := h.dial().(*tls.Conn).HandshakeContext(t.Context())
		var record tls.RecordHeaderError
		if !errors.As(err, &record) || string(record.RecordHeader[:]) != "HTTP/" {
			t.Fatalf("handshake = %v, want an HTTP answer", err)
		}
	}
}
