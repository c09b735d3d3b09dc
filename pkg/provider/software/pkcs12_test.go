package software

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestPKCS12Chain(t *testing.T) {
	p, err := OpenPKCS12(pkcs12File(t, testRSA(2048), nil), password, Options{Name: "seal"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, cert := range c.Chain {
		names = append(names, strings.Fields(cert.Subject.CommonName)[0])
	}
	if got, want := strings.Join(names, " "), "signer intermediate Embedded"; got != want || c.Name != "seal" ||
		p.CAFile() != "" {
		t.Errorf("chain = %s, name %s, CA file %q; want %s, seal, none", got, c.Name, p.CAFile(), want)
	}
}

func TestPKCS12Refused(t *testing.T) {
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := pkcs12File(t, testRSA(2048), nil)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	other := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		path, password string
		o              Options
		want           string
	}{
		"wrong password": {good, "secret-123", Options{}, "password is wrong"},
		"missing":        {good + "x", password, Options{}, "no such file"},
		"cut":            {other("cut.p12", data[:len(data)/2]), password, Options{}, "open PKCS#12"},
		"empty":          {other("empty.p12", nil), password, Options{}, "open PKCS#12"},
		"large":          {other("large.p12", make([]byte, maxPKCS12Bytes+1)), password, Options{}, "larger than"},
		"1024 bits":      {pkcs12File(t, testRSA(1024), nil), password, Options{}, "1024 bits"},
		"P-224":          {pkcs12File(t, weak, nil), password, Options{}, "P-224"},
		"ECDSA with RSA": {good, password, Options{Algorithm: signing.ECDSA}, "does not fit"},
		"SHA-1":          {good, password, Options{Hash: crypto.SHA1}, "not supported"},
		"key encipherment": {
			pkcs12File(t, testRSA(2048), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), password,
			Options{}, "key usage",
		},
	} {
		_, err := OpenPKCS12(c.path, c.password, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: OpenPKCS12 = %v, want an error with %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), c.password) {
			t.Errorf("%s: the error tells the password", name)
		}
	}
}

func TestPKCS12Validity(t *testing.T) {
	for name, change := range map[string]func(c *x509.Certificate){
		"expired":       func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) },
		"not yet valid": func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) },
	} {
		p, err := OpenPKCS12(pkcs12File(t, testRSA(2048), change), password, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Credential(t.Context())
		if err != nil {
			t.Fatalf("%s: Credential = %v, want it", name, err)
		}
		if err := c.CheckValidity(time.Now()); signing.KindOf(err) != signing.KindCertificate {
			t.Errorf("%s: CheckValidity = %v, want KindCertificate", name, err)
		}
	}
}
