package outbound

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Config is what New needs. The zero value connects directly, trusts the system's certificate
// authorities and uses the breaker's defaults.
type Config struct {
	Settings
	// UserAgent is sent when a request does not set its own. Empty means signstash-proxy.
	UserAgent string
	// Guard refuses calls into the internal network. Set it for clients whose addresses come from
	// others. Nil refuses no address.
	Guard *Guard
	// Breaker holds the breaker settings for every host.
	Breaker Breaker
}

const (
	// connectTimeout bounds dialling and the TLS handshake, each on its own. A host that takes longer
	// will not sign in time either.
	connectTimeout = 10 * time.Second
	// idleTimeout is shorter than the time for which servers usually keep idle connections (60 s and
	// more). So a request is seldom written to a connection that the other side is closing. Such a
	// request would leave the outcome of a signature unknown.
	idleTimeout = 30 * time.Second
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
	// http2Silence is how long an HTTP/2 connection may be silent before we ping it. It is also the
	// time limit for the answer to the ping.
	http2Silence = 15 * time.Second
)

// New returns a client that is safe for concurrent use. The client has no overall time-out: the
// context of each request bounds it.
func New(c Config) (*http.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	roots, err := loadRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	var proxied *Guard
	switch {
	case c.Guard == nil:
	case c.ProxyHost == "":
		dialer.Control = c.Guard.control
	default:
		proxied = c.Guard
	}
	base := &http.Transport{
		Proxy:                  c.proxy(),
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true, // net/http switches it off when TLSClientConfig is set
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: http2Silence, PingTimeout: http2Silence},
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	return &http.Client{
		Transport: &transport{
			base: base, breakers: newBreakers(c.Breaker), guard: proxied,
			userAgent: cmp.Or(c.UserAgent, "signstash-proxy"), proxied: c.ProxyHost != "",
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// loadRoots returns the system's authorities together with those of a PEM file. It returns nil,
// which means the system's authorities, when file is empty.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA bundle: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a container without certificate authorities of its own
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA bundle: %s contains no PEM certificate", file)
	}
	return roots, nil
}

// transport is the http.RoundTripper that every request goes through.
type transport struct {
	base      http.RoundTripper
	breakers  *breakers
	guard     *Guard // checks a call before it goes to the HTTP proxy; nil = every call may go
	userAgent string
	proxied   bool // calls without TLS are read by a proxy
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	if err := t.admit(r, host); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	r = t.prepare(r)
	answer, err := t.base.RoundTrip(r)
	t.breakers.leave(host, judge(answer, err))
	return answer, err
}

// admit returns an error if a request may not be sent. A refusal by the guard says nothing about
// the host, so the breaker does not count it.
func (t *transport) admit(r *http.Request, host string) error {
	if t.guard != nil {
		if err := t.guard.checkProxied(r.Context(), r.URL); err != nil {
			return err
		}
	}
	return t.breakers.enter(host)
}

// prepare sets the headers that every request has.
func (t *transport) prepare(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", t.userAgent)
	}
	// A proxy may close the connection after its answer without announcing it (tinyproxy does). A
	// request written at that moment would have an unknown outcome. So a connection to a proxy without
	// TLS is never reused. TLS tunnels end at the other side and are kept.
	r.Close = r.Close || t.proxied && r.URL.Scheme == "http"
	return r
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(*http.Transport); ok {
		base.CloseIdleConnections()
	}
}
