package software

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

const password = "correct horse"

// testRSA makes each key once, because large keys take seconds.
var testRSA = func() func(bits int) *rsa.PrivateKey {
	var mu sync.Mutex
	keys := map[int]*rsa.PrivateKey{}
	return func(bits int) *rsa.PrivateKey {
		mu.Lock()
		defer mu.Unlock()
		if keys[bits] == nil {
			key, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				panic(err)
			}
			keys[bits] = key
		}
		return keys[bits]
	}
}()

// authority returns a chain of root and intermediate.
func authority(t *testing.T) *material {
	t.Helper()
	root, inter := &material{}, &material{}
	if err := root.makeCA(time.Now()); err != nil {
		t.Fatal(err)
	}
	key, err := generate(P256)
	if err != nil {
		t.Fatal(err)
	}
	inter.caKey = key
	inter.ca, err = certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "intermediate"}, NotBefore: root.ca.NotBefore, NotAfter: root.ca.NotAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, withoutPathLimit(root.ca), key.Public(), root.caKey)
	if err != nil {
		t.Fatal(err)
	}
	inter.leaf = root.ca
	return inter
}

func withoutPathLimit(c *x509.Certificate) *x509.Certificate {
	copied := *c
	copied.MaxPathLen, copied.MaxPathLenZero = -1, false
	return &copied
}

// pkcs12File writes a PKCS#12 file with the key and a chain of three certificates in the wrong
// order. change modifies the certificate.
func pkcs12File(t *testing.T, key crypto.Signer, change func(c *x509.Certificate)) string {
	t.Helper()
	ca := authority(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "signer"}, NotBefore: ca.ca.NotBefore, NotAfter: ca.ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	if change != nil {
		change(template)
	}
	leaf, err := certify(template, ca.ca, key.Public(), ca.caKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := authority(t)
	others := []*x509.Certificate{stranger.ca, ca.leaf, ca.ca} // a stranger, the root, the intermediate
	data, err := pkcs12.Modern2023.Encode(key, leaf, others, password)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.p12")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
