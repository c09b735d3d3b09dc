package outbound_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

func newClient(t *testing.T, c outbound.Config) *http.Client {
	t.Helper()
	client, err := outbound.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server
}

func post(ctx context.Context, t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// closedPort returns an address on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// TestExchange checks which answer Exchange returns, or whether its error says that the request may
// have been carried out.
func TestExchange(t *testing.T) {
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/half", "/half400":
			w.Header().Set("Content-Length", "100")
			if r.URL.Path == "/half400" {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/large":
			_, _ = w.Write(make([]byte, 1001))
		case "/exact":
			_, _ = w.Write(make([]byte, 1000))
		case "/redirect":
			http.Redirect(w, r, "/exact", http.StatusFound)
		case "/agent":
			_, _ = w.Write([]byte(r.UserAgent()))
		case "/headers":
			w.Header().Set("X-Long", strings.Repeat("x", 100<<10))
		}
	})
	cases := []struct {
		path   string
		status int // of a complete answer; 0 = lost
		lost   outbound.LostError
		body   int
	}{
		{path: "/exact", status: 200, body: 1000},
		{path: "/redirect", status: 302, body: 0},
		{path: "/agent", status: 200, body: len("test/1")},
		{path: "/cut", lost: outbound.LostError{Sent: true}},
		{path: "/half", lost: outbound.LostError{Sent: true, Status: 200}},
		{path: "/half400", lost: outbound.LostError{Sent: true, Status: 400}},
		{path: "/large", lost: outbound.LostError{Sent: true, Status: 200, Err: outbound.ErrTooLarge}},
		{path: "/headers", lost: outbound.LostError{Sent: true}},
	}
	client := newClient(t, outbound.Config{UserAgent: "test/1", Breaker: outbound.Breaker{Failures: -1}})
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			a, err := outbound.Exchange(client, post(t.Context(), t, server.URL+c.path), 1000)
			if c.status != 0 {
				if err != nil || a.Status != c.status || c.body > 0 && len(a.Body) != c.body {
					t.Errorf("Exchange = %+v, %v; want status %d with %d bytes", a, err, c.status, c.body)
				}
				return
			}
			var lost *outbound.LostError
			if !errors.As(err, &lost) || lost.Sent != c.lost.Sent || lost.Status != c.lost.Status ||
				c.lost.Err != nil && !errors.Is(err, c.lost.Err) {
				t.Errorf("Exchange = %v, want %+v", err, c.lost)
			}
			if err != nil && strings.Contains(err.Error(), server.URL) {
				t.Errorf("error %q holds the address", err)
			}
		})
	}
}

// TestNotSent checks that a failure before a connection exists says that nothing was sent.
func TestNotSent(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	cases := []struct {
		name   string
		ctx    context.Context
		url    string
		config outbound.Config
	}{
		{"nobody listens", t.Context(), "http://" + closedPort(t), outbound.Config{}},
		{"no such host", t.Context(), "http://nobody.invalid", outbound.Config{}},
		{"cancelled before", cancelled, "http://127.0.0.1:1", outbound.Config{}},
		{"TLS with a stranger", t.Context(), newTLSServer(t).URL, outbound.Config{}},
		{"proxy is not there", t.Context(), "http://simulated.invalid", proxyAt(t, closedPort(t))},
		{
			"proxy credentials are not there",
			t.Context(),
			"http://simulated.invalid",
			outbound.Config{Settings: outbound.Settings{
				ProxyHost: "127.0.0.1", ProxyPort: 1, ProxyCredentialsFile: "/nonexistent",
			}},
		},
		{
			"proxy refuses CONNECT",
			t.Context(),
			"https://simulated.invalid",
			proxyAt(t, strings.TrimPrefix(newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusProxyAuthRequired)
			}).URL, "http://")),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := outbound.Exchange(newClient(t, c.config), post(c.ctx, t, c.url), 1000)
			var lost *outbound.LostError
			if !errors.As(err, &lost) || lost.Sent {
				t.Errorf("Exchange = %v, want a request that was not sent", err)
			}
		})
	}
}

// TestUnansweredIsSent checks that the outcome is unknown when a host takes the request and does
// not answer.
func TestUnansweredIsSent(t *testing.T) {
	got := make(chan struct{})
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(got)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-got
		cancel()
	}()
	_, err := outbound.Exchange(newClient(t, outbound.Config{}), post(ctx, t, server.URL), 1000)
	var lost *outbound.LostError
	if !errors.As(err, &lost) || !lost.Sent || !errors.Is(err, context.Canceled) {
		t.Errorf("Exchange = %v, want a lost answer", err)
	}
}

func newTLSServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Proto)) }),
	)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestTLS checks that the certificate authority in the CA bundle is trusted, and that HTTP/2 is
// used.
func TestTLS(t *testing.T) {
	server := newTLSServer(t)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, outbound.Config{Settings: outbound.Settings{CAFile: bundle}})
	a, err := outbound.Exchange(c, post(t.Context(), t, server.URL), 1000)
	if err != nil || string(a.Body) != "HTTP/2.0" {
		t.Errorf("Exchange = %+v, %v; want HTTP/2.0", a, err)
	}
}

// TestConnectionsAreReused checks that ten calls, one after the other, use one connection.
func TestConnectionsAreReused(t *testing.T) {
	seen := map[string]bool{}
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) { seen[r.RemoteAddr] = true })
	client := newClient(t, outbound.Config{})
	for range 10 {
		if _, err := outbound.Exchange(client, post(t.Context(), t, server.URL), 1000); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d connections for 10 calls, want 1", len(seen))
	}
}

func TestConfig(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]outbound.Settings{
		"port without host":        {ProxyPort: 3128},
		"credentials without host": {ProxyCredentialsFile: "x"},
		"host without port":        {ProxyHost: "proxy"},
		"port too high":            {ProxyHost: "proxy", ProxyPort: 65536},
		"CA bundle is missing":     {CAFile: "/nonexistent"},
		"CA bundle has no PEM":     {CAFile: empty},
	} {
		if _, err := outbound.New(outbound.Config{Settings: s}); err == nil {
			t.Errorf("%s: New = nil error", name)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-1": 0, "soon": 0, "99999999": time.Hour, "99999999999999999999": 0,
		"Sun, 22 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 22 Nov 2026 11:00:00 GMT": 0,
		"Sun, 22 Nov 2030 11:00:00 GMT": time.Hour,
	} {
		if got := outbound.RetryAfter(http.Header{"Retry-After": {v}}, now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", v, got, want)
		}
	}
}
