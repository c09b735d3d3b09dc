package outbound

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Config is how calls leave. The zero value goes straight out, trusts the system's authorities and
// uses the breaker's defaults.
type Config struct {
	// ProxyHost and ProxyPort name an HTTP proxy for every call
	// (--einvoice-integration-client.rest.provider.proxy.hostname, .port). TLS is tunnelled through it
	// with CONNECT (RFC 9110 9.3.6). Empty = none; the environment's proxy variables are not looked
	// at.
	ProxyHost string
	ProxyPort int
	// ProxyCredentialsFile holds user:password on its first line (Basic, RFC 7617). It is read for
	// each call, so that it may change.
	ProxyCredentialsFile string
	// CAFile is a PEM bundle that is trusted beside the system's authorities. It is read once.
	CAFile string
	// UserAgent is sent where a request names none. Empty = signstash-proxy.
	UserAgent string
	// Guard refuses calls into the own network, for clients whose addresses others choose. Nil = none
	// is refused.
	Guard *Guard
	// Breaker settings for every host.
	Breaker Breaker
}

const (
	// connectTimeout bounds dialling and the TLS handshake, each: a host that takes longer will not
	// sign in time either.
	connectTimeout = 10 * time.Second
	// idleTimeout is shorter than what servers usually keep idle connections (60 s and more), so that
	// a request is seldom written to a connection that the other side is closing: that would leave the
	// outcome of a signature unknown.
	idleTimeout = 30 * time.Second
	// maxHeaderBytes bounds the head of an answer.
	maxHeaderBytes = 64 << 10
	// http2Silence is how long an HTTP/2 connection may be silent before it is pinged, and the wait
	// for the ping's answer.
	http2Silence = 15 * time.Second
)

// Validate returns every mistake in c, in the words of the flags.
func (c Config) Validate() []error {
	var bad []error
	if c.ProxyHost == "" && (c.ProxyPort != 0 || c.ProxyCredentialsFile != "") {
		bad = append(bad, errors.New("proxy port or credentials are set, the proxy's host name is not"))
	}
	if c.ProxyHost != "" && (c.ProxyPort < 1 || c.ProxyPort > 65535) {
		bad = append(bad, fmt.Errorf("proxy port %d is not between 1 and 65535", c.ProxyPort))
	}
	return bad
}

// New returns a client; it is safe for concurrent use. It has no overall time-out: each request's
// context bounds it.
func New(c Config) (*http.Client, error) {
	if err := errors.Join(c.Validate()...); err != nil {
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
		ForceAttemptHTTP2:      true, // not on by itself once TLSClientConfig is set
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

// loadRoots returns the system's authorities with those of a PEM file; nil, meaning the system's,
// where no file is named.
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
		roots = x509.NewCertPool() // a container without authorities of its own
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA bundle: no PEM certificate in %s", file)
	}
	return roots, nil
}

// transport is what each request goes through.
type transport struct {
	base      http.RoundTripper
	breakers  *breakers
	guard     *Guard // asked before a call goes to the HTTP proxy; nil = every call may go
	userAgent string
	proxied   bool // what is not TLS is read by a proxy
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

// admit says whether a request may go out. A refusal by the guard says nothing about the host, so
// the breaker does not count it.
func (t *transport) admit(r *http.Request, host string) error {
	if t.guard != nil {
		if err := t.guard.checkProxied(r.Context(), r.URL); err != nil {
			return err
		}
	}
	return t.breakers.enter(host)
}

// prepare sets what every request has.
func (t *transport) prepare(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", t.userAgent)
	}
	// A proxy may end the connection behind its answer without having said so (tinyproxy does). A
	// request written into that moment would have an unknown outcome, so that none is sent where
	// another one was. Tunnels of TLS end at the other side, and are kept.
	r.Close = r.Close || t.proxied && r.URL.Scheme == "http"
	return r
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the connections.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(*http.Transport); ok {
		base.CloseIdleConnections()
	}
}
