package affinity

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/servertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tlsPeer is the peer p-1 at an address, as an instance with TLS sees it.
type tlsPeer struct {
	t    *testing.T
	pair tls.Certificate // of the peer and of every instance that it trusts
	at   net.Listener

	mu   sync.Mutex
	seen []bool // for each request: it came with TLS
}

func newTLSPeer(t *testing.T) *tlsPeer {
	// httptest has a certificate that is valid for 127.0.0.1.
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { at.Close() })
	return &tlsPeer{t: t, pair: s.TLS.Certificates[0], at: at}
}

// serve lets the peer answer as a real instance whose connections are those of cfg.
func (p *tlsPeer) serve(cfg connlimit.Config) *tlsPeer {
	metrics, err := connlimit.NewMetrics(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	cfg.Listener, cfg.Metrics, cfg.Port, cfg.MaxConns = p.at, metrics, "rest", 100
	limited, err := connlimit.New(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(InstanceHeader, "p-1")
		if r.Method == http.MethodOptions { // the probe
			if r.Header.Get("Authorization") != "" {
				p.t.Error("the probe holds credentials")
			}
			return
		}
		p.mu.Lock()
		p.seen = append(p.seen, r.TLS != nil)
		p.mu.Unlock()
		_, _ = io.Copy(w, r.Body)
	})}
	limited.Prepare(s)
	servertest.Run(p.t, s, limited)
	return p
}

// record accepts connections at the address, answers each with text and then with nothing, and
// returns what it was sent.
func (p *tlsPeer) record(text string) (sent func() string) {
	var mu sync.Mutex
	var all strings.Builder
	go func() {
		for {
			c, err := p.at.Accept()
			if err != nil {
				return
			}
			p.t.Cleanup(func() { c.Close() })
			go func() {
				_, _ = io.WriteString(c, text)
				buf := make([]byte, 1<<10)
				for {
					n, err := c.Read(buf)
					mu.Lock()
					all.Write(buf[:n])
					mu.Unlock()
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// forwarder returns the forwarder of instance 0, which uses TLS and trusts the certificate of the
// peer.
func (p *tlsPeer) forwarder(allowPlaintext bool) *Forwarder {
	leaf, err := x509.ParseCertificate(p.pair.Certificate[0])
	if err != nil {
		p.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	f, err := NewForwarder(ForwarderConfig{
		Mode: Forward, Name: "p-0", Log: logr.Discard(), AllowPlaintext: allowPlaintext,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Authorities: func() *x509.CertPool { return pool },
		Source: source{directory: Directory{Expected: 2, Ever: 2, Endpoints: []Published{{
			Name: "p-1", Ordinal: 1, Instance: "uid", Host: "h", Port: 1, Internal: p.at.Addr().String(),
		}}}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(f.client.CloseIdleConnections)
	return f
}

// post forwards a POST with a body to the peer.
func (p *tlsPeer) post(f *Forwarder) (answer string, err error) {
	owner, err := f.Owner(1)
	if err != nil {
		p.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	body := "a document"
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	_, err = f.Send(w, asked(r), io.NopCloser(strings.NewReader(body)), owner, 0)
	return w.Body.String(), err
}

// TestSchemeOfPeers checks that instances in all states of a change to TLS reach each other. A
// request arrives whole and once, with TLS wherever both sides use it.
func TestSchemeOfPeers(t *testing.T) {
	for _, test := range []struct {
		name                 string
		peerTLS, peerAllows  bool
		allowPlaintext, want bool // want TLS
	}{
		{"both during the change", true, true, true, true},
		{"this one during the change, the peer after it", true, false, true, true},
		{"this one after the change, the peer during it", true, true, false, true},
		{"this one during the change, the peer before it", false, false, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newTLSPeer(t)
			cfg := connlimit.Config{AllowPlaintext: test.peerAllows}
			if test.peerTLS {
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{p.pair}}
			}
			p.serve(cfg)
			f := p.forwarder(test.allowPlaintext)
			for range 3 {
				if got, err := p.post(f); err != nil || got != "a document" {
					t.Fatalf("Send = %q, %v, want the document", got, err)
				}
				f.client.CloseIdleConnections()
			}
			if len(p.seen) != 3 {
				t.Errorf("the peer was asked %d times, want 3", len(p.seen))
			}
			for _, encrypted := range p.seen {
				if encrypted != test.want {
					t.Errorf("a request came with TLS: %t, want %t", encrypted, test.want)
				}
			}
		})
	}
}

// TestEarlierPeerWithoutTLS checks that an instance that changes to TLS reaches one of an earlier
// release, which does not use TLS and never answers a handshake.
func TestEarlierPeerWithoutTLS(t *testing.T) {
	p := newTLSPeer(t)
	earlier := p.at
	p.at = &silentOnTLS{Listener: earlier}
	p.serve(connlimit.Config{})
	if got, err := p.post(p.forwarder(true)); err != nil || got != "a document" {
		t.Fatalf("Send = %q, %v, want the document", got, err)
	}
	if len(p.seen) != 1 || p.seen[0] {
		t.Errorf("requests with TLS: %v, want one without", p.seen)
	}
}

// silentOnTLS is a listener that swallows connections that begin with a TLS handshake.
type silentOnTLS struct{ net.Listener }

func (l *silentOnTLS) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err == nil && first[0] != 0x16 {
			return &begun{c, first}, nil
		}
		go func() { _, _ = io.Copy(io.Discard, c) }() // until the other side closes
	}
}

// begun is a connection whose first byte was read.
type begun struct {
	net.Conn
	first []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// TestNoDowngrade checks that nobody between two instances gets a token or a document in clear
// text: not from an instance that uses TLS only, and during a change not by a wrong certificate or
// by an answer that is not HTTP.
func TestNoDowngrade(t *testing.T) {
	const instance = "HTTP/1.1 404 Not Found\r\n" + InstanceHeader + ": p-1\r\nContent-Length: 0\r\n\r\n"
	for _, test := range []struct {
		name           string
		allowPlaintext bool
		answer         string
	}{
		{"TLS only, an instance answers without TLS", false, instance},
		{"TLS only, a refusal of TLS", false, "HTTP/1.1 400 Bad Request\r\n\r\n"},
		{"TLS only, a TLS alert", false, "\x15\x03\x03\x00\x02\x02\x46"},
		{"TLS only, silence", false, ""},
		{"change, a TLS alert", true, "\x15\x03\x03\x00\x02\x02\x46"},
		{"change, another protocol", true, "SSH-2.0-x\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newTLSPeer(t)
			sent := p.record(test.answer)
			if _, err := p.post(p.forwarder(test.allowPlaintext)); signing.KindOf(err) != signing.KindBusy {
				t.Errorf("Send = %v, want KindBusy", err)
			}
			got := sent()
			if strings.Contains(got, "pass") || strings.Contains(got, "a document") ||
				!test.allowPlaintext && strings.Contains(got, "HTTP/1") {
				t.Errorf("in clear text: %q", got)
			}
		})
	}
	t.Run("change, a wrong certificate", func(t *testing.T) {
		p := newTLSPeer(t)
		wrong, err := tls.X509KeyPair(servertest.SelfSigned(t, "p-1"))
		if err != nil {
			t.Fatal(err)
		}
		p.serve(connlimit.Config{TLS: &tls.Config{Certificates: []tls.Certificate{wrong}}, AllowPlaintext: true})
		if _, err := p.post(p.forwarder(true)); signing.KindOf(err) != signing.KindBusy {
			t.Errorf("Send = %v, want KindBusy", err)
		}
		if len(p.seen) > 0 {
			t.Error("the peer with the wrong certificate was asked")
		}
	})
}

// TestCertifiedNeedsTLS checks that a certificate is no proof while peers may be called without
// TLS, because then an answer may come without a certificate.
func TestCertifiedNeedsTLS(t *testing.T) {
	p := newTLSPeer(t)
	if !p.forwarder(false).Certified() || p.forwarder(true).Certified() {
		t.Error("Certified = false with TLS only or true with AllowPlaintext")
	}
}

// TestRedirectKeepsScheme checks that a client is redirected with the scheme that it uses, because
// during a change to TLS some clients use it and others do not yet.
func TestRedirectKeepsScheme(t *testing.T) {
	p := newTLSPeer(t)
	f := p.forwarder(true)
	f.c.Mode = Redirect
	owner, err := f.Owner(1)
	if err != nil {
		t.Fatal(err)
	}
	for scheme, encrypted := range map[string]*tls.ConnectionState{"http": nil, "https": {}} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/detail", nil)
		r.TLS = encrypted
		if _, err := f.Send(w, asked(r), nil, owner, 0); err != nil || w.Header().Get("Location") != scheme+"://h:1/detail" {
			t.Errorf("redirect of a client with %s = %v, Location %q", scheme, err, w.Header().Get("Location"))
		}
	}
}
