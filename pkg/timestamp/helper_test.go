package timestamp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
)

var digest = sha256.Sum256([]byte("signature value"))

// pki is made once for all tests.
var pki = sync.OnceValue(func() (p struct {
	authority *service.Authority
	options   tsa.Options
},
) {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	p.authority, err = service.NewAuthority()
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	p.options.Key = key
	p.options.Certificate, err = p.authority.Issue("TSA", key.Public(), func(c *x509.Certificate) {
		tsa.Purpose(c)
		c.NotBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) // simulated time starts in 2000
	})
	check(err)
	p.options.NoPurpose, err = p.authority.Issue("no TSA", key.Public(), nil)
	check(err)
	issuing, _ := p.authority.Issuer()
	p.options.Chain = []*x509.Certificate{issuing}
	return p
})

func newTSA(t *testing.T, change func(o *tsa.Options)) *tsa.Handler {
	t.Helper()
	o := pki().options
	if change != nil {
		change(&o)
	}
	h, err := tsa.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serve runs a real server with the handler and returns its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// direct is a transport without a network, for tests with simulated time. It maps hosts to
// handlers.
type direct map[string]http.Handler

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	d[r.URL.Host].ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

func (d direct) client() *http.Client { return &http.Client{Transport: d} }

const sha = crypto.SHA256
