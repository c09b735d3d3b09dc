package certreload

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
)

// files holds a pair on disk.
type files struct {
	t         *testing.T
	cert, key string
}

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

func (f files) write(path string, data []byte) {
	f.t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		f.t.Fatal(err)
	}
}

func TestNewRefuses(t *testing.T) {
	cert, key := servertest.SelfSigned(t, "one")
	_, otherKey := servertest.SelfSigned(t, "other")
	for name, test := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"no files":    {nil, nil, "tls.crt"},
		"no key":      {cert, nil, "tls.key"},
		"another key": {cert, otherKey, "private key does not match public key"},
		"not PEM":     {[]byte("hello"), key, "tls.crt"},
		"too large":   {bytes.Repeat([]byte("x"), maxFileBytes+1), key, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			if test.cert != nil {
				f.write(f.cert, test.cert)
			}
			if test.key != nil {
				f.write(f.key, test.key)
			}
			_, err := New(Config{CertFile: f.cert, KeyFile: f.key, Log: logr.Discard()})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New = %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestReload serves real handshakes while the files change. A new certificate without its key is
// refused and logged once, and the old pair stays in force. With its key the new certificate is
// served.
func TestReload(t *testing.T) {
	f := newFiles(t)
	cert, key := servertest.SelfSigned(t, "one")
	f.write(f.cert, cert)
	f.write(f.key, key)
	lines := make(chan string, 100)
	registry := prometheus.NewRegistry()
	r, err := New(Config{
		CertFile: f.cert, KeyFile: f.key, Poll: time.Millisecond, Registerer: registry,
		Log: funcr.New(func(_, line string) { lines <- line }, funcr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, r)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Start(ctx) }()

	if got := served(t, address); got != "one" {
		t.Fatalf("served certificate = %q, want one", got)
	}
	cert, key = servertest.SelfSigned(t, "two")
	f.write(f.cert, cert)
	await(t, lines, "could not use the new certificate")
	if got := served(t, address); got != "one" {
		t.Errorf("served certificate between the two writes = %q, want one", got)
	}
	f.write(f.key, key)
	await(t, lines, "certificate reloaded")
	if got := served(t, address); got != "two" {
		t.Errorf("served certificate = %q, want two", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Start = %v, want nil", err)
	}
	for _, want := range []string{
		`reloads_total{result="success"} 2`,
		`reloads_total{result="failure"} 1`,
		"not_before_timestamp_seconds 1e+09",
	} {
		if got := exposition(registry); !strings.Contains(got, want) {
			t.Errorf("metrics lack %q (unchanged content is no reload); got\n%s", want, got)
		}
	}
}

// exposition returns the metrics as Prometheus reads them.
func exposition(r *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// serve runs an HTTPS server with r's configuration until the test ends.
func serve(t *testing.T, r *Reloader) (address string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", r.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, &http.Server{Handler: http.NotFoundHandler()}, listener)
	return listener.Addr().String()
}

func served(t *testing.T, address string) string {
	t.Helper()
	// The test checks the certificate itself, because no authority signed it.
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// await reads log lines until one contains want. If none does, the deadline of the test binary ends
// the wait.
func await(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	for line := range lines {
		if strings.Contains(line, want) {
			return
		}
	}
}
