package trialpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// PKI is a root, an issuing CA, and a signer and a timestamp authority below it. It is safe for
// concurrent use, unless Spoil is changed.
type PKI struct {
	Root, Sub  *x509.Certificate
	Credential *signing.Credential // of the signer; its chain ends below the root
	TSA        *tsa.Handler
	Spoil      func(token []byte) []byte // changes each token; nil = as it is
	key, caKey crypto.Signer
}

// New returns a PKI for a signer with this key. It panics if that is not possible, which is a bug
// of the test.
func New(key crypto.Signer, algorithm signing.SignatureAlgorithm, hash crypto.Hash) *PKI {
	p := &PKI{key: key, caKey: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	p.Root = p.issue("Trial Root", p.caKey.Public(), nil, ca)
	p.Sub = p.issue("Trial Issuing CA", p.caKey.Public(), p.Root, ca)
	leaf := p.issue("Trial Signer", key.Public(), p.Sub, func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	})
	p.Credential = &signing.Credential{
		Name: "trial", Chain: []*x509.Certificate{leaf, p.Sub}, Algorithm: algorithm, Hash: hash, MaxBatch: 1, InFlight: 1,
	}
	tsaKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p.TSA = must(tsa.New(tsa.Options{
		Key:         tsaKey,
		Certificate: p.issue("Trial TSA", tsaKey.Public(), p.Sub, tsa.Purpose),
		Chain:       []*x509.Certificate{p.Sub},
		NoPurpose:   p.issue("Trial TSA without purpose", tsaKey.Public(), p.Sub, func(*x509.Certificate) {}),
	}))
	return p
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ca(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// issue returns a certificate by parent, or by itself if parent is nil.
func (p *PKI) issue(
	name string, public crypto.PublicKey, parent *x509.Certificate, change func(*x509.Certificate),
) *x509.Certificate {
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 90))),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Trial"}},
		NotBefore:    now.Add(-2 * time.Hour), NotAfter: now.Add(100 * time.Hour),
	}
	change(c)
	if parent == nil {
		parent = c
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, parent, public, p.caKey))))
}

// RootPEM returns the root in PEM.
func (p *PKI) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Root.Raw})
}

// Roots returns a pool with the root.
func (p *PKI) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Root)
	return pool
}

// Sign returns the signature value over a digest, as a provider does.
func (p *PKI) Sign(digest []byte) ([]byte, error) {
	var options crypto.SignerOpts = p.Credential.Hash
	if p.Credential.Algorithm == signing.RSAPSS {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: p.Credential.Hash}
	}
	return p.key.Sign(rand.Reader, digest, options)
}

// PKCS8 returns the signer's key in PKCS #8 form.
func (p *PKI) PKCS8() []byte { return must(x509.MarshalPKCS8PrivateKey(p.key)) }
