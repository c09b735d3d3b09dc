package outbound_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// oneAnswer serves one request on each connection and does not announce that the connection ends
// there. It closes the connection when the second request arrives. Proxies and servers do the same
// when they close a connection at the moment when it is used again.
func oneAnswer(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveOnce(c)
		}
	}()
	return l.Addr().String()
}

func serveOnce(c net.Conn) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for answered := false; ; answered = true {
		r, err := http.ReadRequest(in)
		if err != nil || answered {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil || r.Close {
			return
		}
	}
}

// TestStaleConnection checks that a repeatable request is sent again on another connection, and
// that the outcome of any other request is unknown.
func TestStaleConnection(t *testing.T) {
	url := "http://" + oneAnswer(t)
	for name, repeatable := range map[string]bool{"repeatable": true, "once": false} {
		client := newClient(t, outbound.Config{})
		for n := range 2 {
			r := post(t.Context(), t, url)
			if repeatable {
				outbound.MarkRepeatable(r)
			}
			_, err := outbound.Exchange(client, r, 100)
			var lost *outbound.LostError
			switch wanted := n == 1 && !repeatable; {
			case wanted && (!errors.As(err, &lost) || !lost.Sent):
				t.Errorf("%s: Exchange = %v, want an answer that was lost", name, err)
			case !wanted && err != nil:
				t.Errorf("%s: request %d: %v", name, n+1, err)
			}
		}
	}
}

// TestProxyThatHangsUp checks that each call without TLS gets its own connection through a proxy,
// so that no such call uses a stale connection.
func TestProxyThatHangsUp(t *testing.T) {
	client := newClient(t, proxyAt(t, oneAnswer(t)))
	for n := range 3 {
		if a, err := outbound.Exchange(client, post(t.Context(), t, "http://simulated.invalid/sign"), 100); err != nil ||
			!strings.HasPrefix(string(a.Body), "ok") {
			t.Fatalf("request %d: Exchange = %v, %v", n+1, a, err)
		}
	}
}
