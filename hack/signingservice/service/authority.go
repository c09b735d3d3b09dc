package service

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Authority is a certification authority of one process's life, with a root and an issuing certificate, and the keys it certified.
// It is safe for concurrent use.
type Authority struct {
	root, issuing       *x509.Certificate
	rootKey, issuingKey crypto.Signer
	// OCSPURL and CRLURL go into the certificates issued from then on; empty = none. Set before use.
	OCSPURL, CRLURL string

	mu     sync.Mutex
	serial int64
	keys   map[KeyKind]crypto.Signer
}

// NewAuthority makes an authority with new keys, whose certificates do not say where their status is to be asked.
func NewAuthority() (*Authority, error) { return NewAuthorityAt("") }

// NewAuthorityAt makes an authority whose certificates send to base/ocsp for OCSP, and for CRLs to base/crl/0 (what the issuing
// certificate issued) and base/crl/1 (what the root issued).
func NewAuthorityAt(base string) (*Authority, error) {
	a := &Authority{keys: make(map[KeyKind]crypto.Signer), serial: time.Now().UnixNano()}
	var rootCRL string
	if base != "" {
		a.OCSPURL, a.CRLURL, rootCRL = base+"/ocsp", base+"/crl/0", base+"/crl/1"
	}
	var err error
	if a.rootKey, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	if a.issuingKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make issuing key: %w", err)
	}
	if a.root, err = a.certifyCA("Root", 1, a.rootKey.Public(), ""); err != nil {
		return nil, err
	}
	a.issuing, err = a.certifyCA("Issuing", 0, a.issuingKey.Public(), rootCRL)
	return a, err
}

func name(common string) pkix.Name {
	return pkix.Name{Country: []string{"XX"}, Organization: []string{"SIMULATED - NO LEGAL VALUE"}, CommonName: "SIMULATED " + common}
}

// certifyCA makes a certificate that the root signs, also its own.
func (a *Authority) certifyCA(common string, below int, key crypto.PublicKey, crl string) (*x509.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: a.nextSerial(), Subject: name(common + " CA"),
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: below, MaxPathLenZero: below == 0,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	parent := a.root
	if parent == nil {
		parent = template
	} else if crl != "" {
		template.OCSPServer, template.CRLDistributionPoints = []string{a.OCSPURL}, []string{crl}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.rootKey)
	if err != nil {
		return nil, fmt.Errorf("issue %s CA certificate: %w", common, err)
	}
	return x509.ParseCertificate(der)
}

func (a *Authority) nextSerial() *big.Int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	return big.NewInt(a.serial)
}

// Issue certifies a key under the issuing certificate. change may alter the template, for other purposes than signing documents;
// nil = leave it.
func (a *Authority) Issue(common string, key crypto.PublicKey, change func(*x509.Certificate)) (*x509.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: a.nextSerial(), Subject: name(common),
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageContentCommitment | x509.KeyUsageDigitalSignature,
	}
	if a.OCSPURL != "" {
		template.OCSPServer = []string{a.OCSPURL}
	}
	if a.CRLURL != "" {
		template.CRLDistributionPoints = []string{a.CRLURL}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.issuing, key, a.issuingKey)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Issuer returns the certificate and the key that sign what Issue gives, and their revocation data.
func (a *Authority) Issuer() (*x509.Certificate, crypto.Signer) { return a.issuing, a.issuingKey }

// Root returns the root certificate and its key, which sign the issuing certificate's revocation data.
func (a *Authority) Root() (*x509.Certificate, crypto.Signer) { return a.root, a.rootKey }

// RootPEM is the root certificate for those who are to trust the simulation.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// key returns the one key of that kind, made when first asked for.
func (a *Authority) key(kind KeyKind) (crypto.Signer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k, ok := a.keys[kind]; ok {
		return k, nil
	}
	var k crypto.Signer
	var err error
	switch kind {
	case RSA2048, RSAPlain, RSAPSS:
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case ECDSAP256:
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		return nil, fmt.Errorf("no such kind of key: %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	a.keys[kind] = k
	return k, nil
}
