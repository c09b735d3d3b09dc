package software

import (
	"bytes"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"
)

func TestCRLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := open(t, t.TempDir(), EmbeddedOptions{Key: P256})
		ca := c.Chain[1]
		first, err := p.CRLs(t.Context(), ca)
		if err != nil || len(first) != 1 {
			t.Fatalf("CRLs = %d lists, %v; want 1", len(first), err)
		}
		list, err := x509.ParseRevocationList(first[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(ca); err != nil || len(list.RevokedCertificateEntries) != 0 {
			t.Errorf("the list has %d entries and is signed by another: %v", len(list.RevokedCertificateEntries), err)
		}
		if again, err := p.CRLs(t.Context(), ca); err != nil || !bytes.Equal(again[0], first[0]) {
			t.Errorf("second CRLs = %v, want the same list", err)
		}
		time.Sleep(crlLife)
		later, err := p.CRLs(t.Context(), ca)
		if err != nil || bytes.Equal(later[0], first[0]) {
			t.Errorf("CRLs a day later = %v, want a new list", err)
		}
		for name, other := range map[string]*x509.Certificate{"the signer": c.Certificate(), "a stranger": authority(t).ca} {
			if lists, err := p.CRLs(t.Context(), other); err != nil || lists != nil {
				t.Errorf("CRLs of %s = %d lists, %v; want none", name, len(lists), err)
			}
		}
	})
	p, err := OpenPKCS12(pkcs12File(t, testRSA(2048), nil), password, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lists, err := p.CRLs(t.Context(), c.Chain[len(c.Chain)-1]); err != nil || lists != nil {
		t.Errorf("CRLs of a PKCS#12 file = %d lists, %v; want none", len(lists), err)
	}
}
