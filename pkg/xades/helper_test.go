package xades

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// testTime is the claimed signing time.
var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))

// testKey is a key with the credential that belongs to it.
type testKey struct {
	key        crypto.Signer
	credential *signing.Credential
}

// sign returns the signature value over a digest, as a provider does.
func (k *testKey) sign(digest []byte) ([]byte, error) {
	var options crypto.SignerOpts = k.credential.Hash
	if k.credential.Algorithm == signing.RSAPSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.credential.Hash}
	}
	return k.key.Sign(rand.Reader, digest, options)
}

// testKeys returns one key for each algorithm, by name.
var testKeys = sync.OnceValue(func() map[string]*testKey {
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	p521 := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	return map[string]*testKey{
		"RSA-SHA256": newTestKey(rsaKey, signing.RSAPKCS1, crypto.SHA256),
		"RSA-SHA384": newTestKey(rsaKey, signing.RSAPKCS1, crypto.SHA384),
		"RSA-SHA512": newTestKey(rsaKey, signing.RSAPKCS1, crypto.SHA512),
		"PSS-SHA256": newTestKey(rsaKey, signing.RSAPSS, crypto.SHA256),
		"PSS-SHA384": newTestKey(rsaKey, signing.RSAPSS, crypto.SHA384),
		"PSS-SHA512": newTestKey(rsaKey, signing.RSAPSS, crypto.SHA512),
		"P-256":      newTestKey(p256, signing.ECDSA, crypto.SHA256),
		"P-384":      newTestKey(p384, signing.ECDSA, crypto.SHA384),
		"P-521":      newTestKey(p521, signing.ECDSA, crypto.SHA512),
	}
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newTestKey returns a key with a self-signed certificate.
func newTestKey(key crypto.Signer, algorithm signing.SignatureAlgorithm, hash crypto.Hash) *testKey {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Test signer"},
		NotBefore: testTime.Add(-time.Hour), NotAfter: testTime.Add(100 * 365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageCertSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &testKey{key: key, credential: &signing.Credential{
		Name: "test", Chain: []*x509.Certificate{must(x509.ParseCertificate(der))},
		Algorithm: algorithm, Hash: hash, MaxBatch: 1, InFlight: 1,
	}}
}

// memoryFile is a document in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

func inMemory(b []byte) memoryFile { return memoryFile{bytes.NewReader(b)} }

// inputOf returns an Input that asks for B-B.
func inputOf(doc []byte, advanced *signing.AdvancedSignature) signing.Input {
	return signing.Input{
		File: inMemory(doc), Time: testTime,
		Signature: signing.SignatureInfo{Type: signing.XAdES, Level: signing.LevelB, Advanced: advanced},
	}
}

// signWith signs a document with a profile.
func signWith(t testing.TB, doc []byte, a *signing.AdvancedSignature, k *testKey, p *Profile) ([]byte, error) {
	t.Helper()
	in := inputOf(doc, a)
	prepared, err := (&Format{}).prepare(t.Context(), in, k.credential, p)
	if err != nil {
		return nil, err
	}
	value, err := k.sign(prepared.Digest)
	if err != nil {
		t.Fatal(err)
	}
	section, pieces, err := (&Format{}).Embed(t.Context(), in, prepared, value)
	if err != nil {
		return nil, err
	}
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
}

// sign signs a document with the profile "baseline" and P-256.
func sign(t testing.TB, doc []byte, a *signing.AdvancedSignature) ([]byte, error) {
	t.Helper()
	return signWith(t, doc, a, testKeys()["P-256"], &baseline)
}
