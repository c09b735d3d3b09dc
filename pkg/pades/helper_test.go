package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding"
	"encoding/pem"
	"io"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// testKey is a chain of root, issuing CA and signer with the signer's key.
type testKey struct {
	credential *signing.Credential
	key        crypto.Signer
	caKey      crypto.Signer // of root and sub
	root, sub  *x509.Certificate
	rootPEM    []byte
}

var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

var rsaKey = sync.OnceValue(func() *testKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return newTestKey(key, signing.RSAPKCS1, crypto.SHA256)
})

// newTestKey makes a chain around key. Failures are bugs in the test and panic.
func newTestKey(key crypto.Signer, algorithm signing.SignatureAlgorithm, hash crypto.Hash) *testKey {
	caKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	root := issue("Test Root", caKey.Public(), nil, caKey, nil)
	sub := issue("Test Issuing CA", caKey.Public(), root, caKey, nil)
	leaf := issue("Test Signer", key.Public(), sub, caKey, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	})
	return &testKey{
		credential: &signing.Credential{
			Name:      "test",
			Chain:     []*x509.Certificate{leaf, sub},
			Algorithm: algorithm,
			Hash:      hash,
			MaxBatch:  1,
			InFlight:  1,
		},
		key:     key,
		caKey:   caKey,
		root:    root,
		sub:     sub,
		rootPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
	}
}

func issue(
	name string, public crypto.PublicKey, parent *x509.Certificate, key crypto.Signer, change func(*x509.Certificate),
) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 90))
	if err != nil {
		panic(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Test"}},
		NotBefore: testTime.Add(-time.Hour), NotAfter: time.Now().Add(100 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(c)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, key)
	if err != nil {
		panic(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return out
}

func (k *testKey) sign(t testing.TB, digest []byte) []byte {
	t.Helper()
	var opts crypto.SignerOpts = k.credential.Hash
	if k.credential.Algorithm == signing.RSAPSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.credential.Hash}
	}
	value, err := k.key.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatalf("sign digest: %v", err)
	}
	return value
}

// memoryFile is a document in memory. It counts the bytes that are read.
type memoryFile struct {
	*bytes.Reader
	read int64
}

func newFile(b []byte) *memoryFile { return &memoryFile{Reader: bytes.NewReader(b)} }

func (f *memoryFile) Close() error { return nil }

func (f *memoryFile) Size() int64 { return f.Reader.Size() }

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Reader.ReadAt(p, off)
	f.read += int64(n)
	return n, err
}

func midstate(t testing.TB, r io.Reader) []byte {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatalf("hash original: %v", err)
	}
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatalf("marshal hash: %v", err)
	}
	return b
}

func input(t testing.TB, original []byte, level signing.Level) signing.Input {
	return signing.Input{
		File: newFile(original), Midstate: midstate(t, bytes.NewReader(original)), Time: testTime,
		Signature: signing.SignatureInfo{Type: signing.PAdES, Level: level, Reason: "Prüfung (1)", Location: "Lisboa"},
	}
}

// trySign signs original and returns the signed document.
func trySign(t testing.TB, f *Format, k *testKey, original []byte, level signing.Level) ([]byte, error) {
	t.Helper()
	in := input(t, original, level)
	p, err := f.Prepare(context.Background(), in, k.credential)
	if err != nil {
		return nil, err
	}
	section, _, err := f.Embed(context.Background(), in, p, k.sign(t, p.Digest))
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(original), section...), nil
}

func mustSign(t testing.TB, f *Format, k *testKey, original []byte, level signing.Level) []byte {
	t.Helper()
	signed, err := trySign(t, f, k, original, level)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

func sha256Of(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// signedData returns a SignedData over the digest of a document.
func signedData(t testing.TB, k *testKey, digest []byte) []byte {
	t.Helper()
	c := k.credential
	attributes, err := cms.SignedAttributes(c.Hash, digest, c.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	h := c.Hash.New()
	h.Write(attributes)
	der, err := cms.Build(cms.SignedDataParams{
		SignedAttributes: attributes,
		SignatureValue:   k.sign(t, h.Sum(nil)),
		Chain:            c.Chain,
		Algorithm:        c.Algorithm,
		Hash:             c.Hash,
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}
