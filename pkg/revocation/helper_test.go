package revocation

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
)

// world is a PKI with its OCSP responder: root, issuing and leaf certificates. The status of the
// issuing certificate comes from the root.
type world struct {
	root, issuing, leaf       *x509.Certificate
	rootKey, issuingKey       crypto.Signer
	responder                 *certstatus.Responder
	server                    *httptest.Server
	cfg                       Config
	issuerFetches, elsewheres atomic.Int64
}

// shape says how a world differs from the default one.
type shape struct {
	delegated     bool
	noOCSP, noCRL bool
	issuerURL     bool // the leaf names the address of its issuer's certificate
	change        func(leaf *x509.Certificate)
}

var serials atomic.Int64

func newWorld(t *testing.T, s shape) *world {
	t.Helper()
	w := &world{}
	mux := http.NewServeMux()
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	w.rootKey, w.issuingKey = newKey(t), newKey(t)
	w.root = certify(t, ca("root"), nil, w.rootKey.Public(), w.rootKey)
	issuing := ca("issuing")
	w.address(issuing, 1, s)
	w.issuing = certify(t, issuing, w.root, w.issuingKey.Public(), w.rootKey)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, KeyUsage: x509.KeyUsageContentCommitment}
	w.address(leaf, 0, s)
	if s.issuerURL {
		leaf.IssuingCertificateURL = []string{w.server.URL + "/issuer"}
	}
	if s.change != nil {
		s.change(leaf)
	}
	w.leaf = certify(t, leaf, w.issuing, newKey(t).Public(), w.issuingKey)
	var err error
	w.responder, err = certstatus.New(certstatus.Options{
		Issuers:   []certstatus.Issuer{{Certificate: w.issuing, Key: w.issuingKey}, {Certificate: w.root, Key: w.rootKey}},
		Delegated: s.delegated, RedirectTarget: w.server.URL + "/elsewhere",
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", w.responder)
	mux.HandleFunc("/issuer", func(rw http.ResponseWriter, _ *http.Request) {
		w.issuerFetches.Add(1)
		_, _ = rw.Write(w.issuing.Raw)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { w.elsewheres.Add(1) })
	w.cfg = Config{Settings: Settings{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	return w
}

// impatient sets a short time-out for faults that never answer. Other faults keep the default
// time-out, because a correct answer may take long on a busy machine.
func (w *world) impatient(rude certstatus.Misbehaviour) {
	if rude == certstatus.Slow {
		w.cfg.Timeout = time.Second
	}
}

func (w *world) address(c *x509.Certificate, number int, s shape) {
	if !s.noOCSP {
		c.OCSPServer = []string{w.server.URL + "/ocsp"}
	}
	if !s.noCRL {
		c.CRLDistributionPoints = []string{"ldap://directory.invalid/crl", w.server.URL + "/crl/" + string(rune('0'+number))}
	}
}

func (w *world) chain() []*x509.Certificate { return []*x509.Certificate{w.leaf, w.issuing, w.root} }

func (w *world) gatherer(t *testing.T) *Gatherer {
	t.Helper()
	g, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ca(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "SIMULATED " + name + " " + strings.ToLower(rand.Text()[:8])},
		IsCA:    true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func certify(
	t *testing.T, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer,
) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(serials.Add(1) + 1000)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func makeCRL(t *testing.T, w *world, change func(l *x509.RevocationList)) []byte {
	t.Helper()
	l := &x509.RevocationList{
		Number:     big.NewInt(1),
		ThisUpdate: time.Now().Add(-time.Minute),
		NextUpdate: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, w.issuing, w.issuingKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// local returns a Config.Local with crl for the issuing CA and an empty CRL for the root.
func (w *world) local(t *testing.T, crl []byte) func(context.Context, *x509.Certificate) ([][]byte, error) {
	t.Helper()
	root, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}, w.root, w.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, issuer *x509.Certificate) ([][]byte, error) {
		if issuer.Equal(w.root) {
			return [][]byte{root}, nil
		}
		return [][]byte{crl}, nil
	}
}
