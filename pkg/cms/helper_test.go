package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// identity is a key with a chain of leaf and root.
type identity struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newKey(t testing.TB, algorithm signing.SignatureAlgorithm, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	if algorithm != signing.ECDSA {
		return rsaKey()
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newIdentity makes a chain for the key. organization and serial are set in the signing
// certificate.
func newIdentity(t testing.TB, key crypto.Signer, organization string, serial int64) identity {
	t.Helper()
	rootKey := newKey(t, signing.ECDSA, elliptic.P256())
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root", Organization: []string{organization}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test signer"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	rootCert := certify(t, root, root, rootKey.Public(), rootKey)
	return identity{key, []*x509.Certificate{certify(t, leaf, rootCert, key.Public(), rootKey), rootCert}}
}

func certify(
	t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer,
) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// sign returns a complete SignedData over content.
func (id identity) sign(t testing.TB, algorithm signing.SignatureAlgorithm, hash crypto.Hash, content []byte) []byte {
	t.Helper()
	attributes, err := SignedAttributes(hash, sum(hash, content), id.chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return id.signAttributes(t, algorithm, hash, attributes)
}

func (id identity) signAttributes(
	t testing.TB, algorithm signing.SignatureAlgorithm, hash crypto.Hash, attributes []byte,
) []byte {
	t.Helper()
	der, err := Build(SignedDataParams{
		SignedAttributes: attributes, SignatureValue: id.value(t, algorithm, hash, sum(hash, attributes)),
		Chain: id.chain, Algorithm: algorithm, Hash: hash,
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (id identity) value(t testing.TB, algorithm signing.SignatureAlgorithm, hash crypto.Hash, digest []byte) []byte {
	t.Helper()
	var opts crypto.SignerOpts = hash
	if algorithm == signing.RSAPSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	value, err := id.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func sum(hash crypto.Hash, content []byte) []byte {
	h := hash.New()
	h.Write(content)
	return h.Sum(nil)
}

// tool returns the path of an optional program; without it the test is skipped, or fails in CI.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
