package connlimit_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
)

// harness is a server behind a limited listener.
type harness struct {
	t        *testing.T
	address  string
	registry *prometheus.Registry
	tls      *tls.Config // of clients; nil = clients use no TLS
}

// serve starts a server on a free port.
func serve(t *testing.T, cfg connlimit.Config, h http.Handler) *harness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listener = l
	out := serveOn(t, cfg, h)
	out.address = l.Addr().String()
	return out
}

// serveOn starts a server on the listener of cfg. The server stops when the test ends.
func serveOn(t *testing.T, cfg connlimit.Config, h http.Handler) *harness {
	t.Helper()
	out := &harness{t: t, registry: prometheus.NewRegistry()}
	var err error
	if cfg.Metrics, err = connlimit.NewMetrics(out.registry); err != nil {
		t.Fatal(err)
	}
	cfg.Port = "test"
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 100
	}
	if cfg.TLS != nil {
		out.tls = &tls.Config{InsecureSkipVerify: true} // the test looks at limits, not at certificates
	}
	limited, err := connlimit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, IdleTimeout: 90 * time.Second}
	limited.Prepare(server)
	servertest.Run(t, server, limited)
	return out
}

// dial opens a connection that is closed when the test ends.
func (h *harness) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	if h.tls != nil {
		c = tls.Client(c, h.tls)
	}
	h.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // is only reached if the test fails
	return c
}

// count returns the value of a metric, only of the series with that reason. If reason is empty, it
// returns the sum of all series.
func (h *harness) count(name, reason string) (n float64) {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += l.GetValue() + " "
			}
			if reason == "" || strings.Contains(labels, reason) {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

// send writes text to a connection.
func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one answer and returns its status and its body.
func answer(t *testing.T, r *bufio.Reader) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// echo answers with the path and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, r.URL.Path+":"+string(body))
}

// certificate returns the TLS configuration of a server with a self-signed certificate.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(servertest.SelfSigned(t, "test"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// http2Client speaks HTTP/2 with the server.
func (h *harness) http2Client() *http.Client {
	transport := &http.Transport{
		TLSClientConfig: h.tls, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", h.address)
		},
	}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}
