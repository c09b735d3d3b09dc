package certchain_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate; by nobody = by itself.
func issue(t *testing.T, name string, by *issued) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{c, key}
}

func TestLink(t *testing.T) {
	root := issue(t, "root", nil)
	issuer := issue(t, "issuer", root)
	leaf := issue(t, "leaf", issuer)
	namesake := issue(t, "issuer", nil)
	a := issue(t, "a", nil)
	b := issue(t, "b", a)
	loop := issue(t, "a", b) // a above b above a: cross certificates
	for name, c := range map[string]struct{ others, want []*issued }{
		"in order":           {[]*issued{issuer, root}, []*issued{issuer, root}},
		"out of order":       {[]*issued{root, issuer}, []*issued{issuer, root}},
		"without root":       {[]*issued{issuer}, []*issued{issuer}},
		"strangers":          {[]*issued{namesake, b, issuer, a}, []*issued{issuer}},
		"a namesake alone":   {[]*issued{namesake}, nil},
		"leaf and no others": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := []*x509.Certificate{leaf.Certificate}
			for _, w := range c.want {
				want = append(want, w.Certificate)
			}
			var others []*x509.Certificate
			text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
			for _, o := range c.others {
				others = append(others, o.Certificate)
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.Raw})...)
			}
			same := func(a, b *x509.Certificate) bool { return a.Equal(b) }
			if got := certchain.Link(leaf.Certificate, others); !slices.EqualFunc(got, want, same) {
				t.Errorf("Link = %d certificates, want %d", len(got), len(want))
			}
			if got, err := certchain.ParsePEM(text, 10); err != nil || !slices.EqualFunc(got, want, same) {
				t.Errorf("ParsePEM = %d certificates, %v, want %d", len(got), err, len(want))
			}
		})
	}
	if got := certchain.Link(loop.Certificate, []*x509.Certificate{b.Certificate, loop.Certificate}); len(got) > 3 {
		t.Errorf("Link of a loop = %d certificates, want an end", len(got))
	}
}

func TestParsePEMRefuses(t *testing.T) {
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issue(t, "x", nil).Raw})
	for name, c := range map[string]struct {
		text []byte
		ok   bool
	}{
		"nothing":          {nil, false},
		"a key":            {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), false},
		"broken":           {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), false},
		"a key before it":  {append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), certificate...), true},
		"more than limit":  {bytes.Repeat(certificate, 100), true},
		"garbage about it": {append([]byte("Subject: x\n"), certificate...), true},
	} {
		if got, err := certchain.ParsePEM(c.text, 3); (err == nil) != c.ok || len(got) > 3 {
			t.Errorf("%s: ParsePEM = %d certificates, %v, want success %v", name, len(got), err, c.ok)
		}
	}
}
