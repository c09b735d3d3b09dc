// Package servertest makes certificates for tests of servers, and runs servers until a test ends.
package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

// NotBefore is the time from which the certificates of SelfSigned are valid.
var NotBefore = time.Unix(1e9, 0)

// SelfSigned returns a certificate with this common name and its key, both in PEM. The certificate
// is valid for an hour.
func SelfSigned(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    NotBefore,
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return cert, key
}

// Chain makes a root, an issuer, a leaf, and a stranger with the name of the issuer that does not
// belong to the chain. They are valid for an hour.
func Chain(t testing.TB) (leaf, issuer, root, stranger *x509.Certificate) {
	t.Helper()
	make := func(
		name string, ca bool, parent *x509.Certificate, signer *ecdsa.PrivateKey,
	) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber:          big.NewInt(1),
			Subject:               pkix.Name{CommonName: name},
			NotAfter:              time.Now().Add(time.Hour),
			IsCA:                  ca,
			BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		c, err = x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c, key
	}
	root, rootKey := make("root", true, nil, nil)
	issuer, issuerKey := make("issuer", true, root, rootKey)
	leaf, _ = make("leaf", false, issuer, issuerKey)
	stranger, _ = make("issuer", true, nil, nil) // same name, another key
	return leaf, issuer, root, stranger
}

// Run serves l with s until the test ends.
func Run(t *testing.T, s *http.Server, l net.Listener) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
}
