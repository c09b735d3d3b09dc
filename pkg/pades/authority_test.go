package pades

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
)

// authority is a Timestamper that uses the simulated timestamp authority, and the Revocation for
// all certificates that the CA of the key issued.
type authority struct {
	handler  *tsa.Handler
	key      *testKey
	chain    []*x509.Certificate
	spoil    func([]byte) []byte // changes each token; nil = as it is
	gathered atomic.Int64
}

func newAuthority(t testing.TB, k *testKey) *authority {
	t.Helper()
	return newAuthorityWith(t, k, k.sub)
}

// newAuthorityWith is like newAuthority, with further certificates in its tokens.
func newAuthorityWith(t testing.TB, k *testKey, chain ...*x509.Certificate) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }
	cert := issue("Test TSA", key.Public(), k.sub, k.caKey, func(c *x509.Certificate) { plain(c); tsa.Purpose(c) })
	other := issue("Test TSA without purpose", key.Public(), k.sub, k.caKey, plain)
	h, err := tsa.New(tsa.Options{Key: key, Certificate: cert, Chain: chain, NoPurpose: other})
	if err != nil {
		t.Fatal(err)
	}
	return &authority{handler: h, key: k, chain: []*x509.Certificate{cert, k.sub}}
}

// Timestamp implements signing.Timestamper.
func (a *authority) Timestamp(_ context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
	return trialpki.RequestToken(a.handler, a.spoil, digest, hash)
}

// Gather implements Revocation. It returns OCSP responses for certificates of the issuing CA, and a
// CRL of the root for the issuing CA.
func (a *authority) Gather(_ context.Context, chain []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	now := time.Now().Add(-time.Duration(a.gathered.Add(1)) * time.Second) // never the same response twice
	response, err := ocsp.CreateResponse(a.key.sub, a.key.sub, ocsp.Response{
		Status: ocsp.Good, SerialNumber: chain[0].SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
	}, a.key.caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
	}, a.key.root, a.key.caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	return [][]byte{a.key.sub.Raw, a.key.root.Raw}, [][]byte{response}, [][]byte{crl}, nil
}
