package service

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"
)

// Authority is a certification authority with a root and an issuing certificate, and with the keys
// that it certified. It has the same keys again only if it has a Seed. It is safe for concurrent
// use.
type Authority struct {
	seed                Seed // nil = keys are random
	root, issuing       *x509.Certificate
	rootKey, issuingKey crypto.Signer
	// OCSPURL and CRLURL go into the certificates issued from then on; empty = none. Set before use.
	OCSPURL, CRLURL string

	mu     sync.Mutex
	serial int64
	keys   map[KeyKind]crypto.Signer
}

// NewAuthority creates an authority with new keys. Its certificates name no OCSP responder and no
// CRL.
func NewAuthority() (*Authority, error) { return NewAuthorityAt("") }

// NewAuthorityAt creates an authority whose certificates name base/ocsp for OCSP, and for CRLs
// base/crl/0 (issued by the issuing certificate) and base/crl/1 (issued by the root).
func NewAuthorityAt(base string) (*Authority, error) { return NewSeededAuthority(base, nil) }

// NewSeededAuthority is NewAuthorityAt with keys that are derived from a seed. With the same seed,
// base and year, keys and certificates are the same. A nil seed gives new keys.
func NewSeededAuthority(base string, seed Seed) (*Authority, error) {
	a := &Authority{seed: seed, keys: make(map[KeyKind]crypto.Signer), serial: time.Now().UnixNano()}
	var rootCRL string
	if base != "" {
		a.OCSPURL, a.CRLURL, rootCRL = base+"/ocsp", base+"/crl/0", base+"/crl/1"
	}
	var err error
	if a.rootKey, err = a.ecdsaKey(elliptic.P384(), "root key"); err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	if a.issuingKey, err = a.ecdsaKey(elliptic.P256(), "issuing key"); err != nil {
		return nil, fmt.Errorf("make issuing key: %w", err)
	}
	if a.root, err = a.certifyCA("Root", 1, a.rootKey.Public(), ""); err != nil {
		return nil, err
	}
	a.issuing, err = a.certifyCA("Issuing", 0, a.issuingKey.Public(), rootCRL)
	return a, err
}

func name(common string) pkix.Name {
	return pkix.Name{
		Country:      []string{"XX"},
		Organization: []string{"SIMULATED - NO LEGAL VALUE"},
		CommonName:   "SIMULATED " + common,
	}
}

// certifyCA creates a CA certificate that the root signs, including the root certificate itself.
func (a *Authority) certifyCA(common string, below int, key crypto.PublicKey, crl string) (*x509.Certificate, error) {
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: a.serialFor(common, key), Subject: name(common + " CA"),
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
	der, err := x509.CreateCertificate(a.random(), template, parent, key, a.rootKey)
	if err != nil {
		return nil, fmt.Errorf("issue %s CA certificate: %w", common, err)
	}
	return x509.ParseCertificate(der)
}

// now returns the time from which certificates are valid. With a seed it is the start of the year,
// so that the certificates are the same after a restart.
func (a *Authority) now() time.Time {
	if a.seed == nil {
		return time.Now()
	}
	return time.Date(time.Now().UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
}

// random returns the source of random numbers for signatures. A nil source makes ECDSA signatures
// deterministic (RFC 6979).
func (a *Authority) random() io.Reader {
	if a.seed == nil {
		return rand.Reader
	}
	return nil
}

// ecdsaKey creates or derives a key.
func (a *Authority) ecdsaKey(curve elliptic.Curve, purpose string) (crypto.Signer, error) {
	if a.seed == nil {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	return a.seed.ecdsaKey(curve, purpose)
}

// Key returns a key on P-256 for a purpose other than signing documents.
func (a *Authority) Key(purpose string) (crypto.Signer, error) {
	return a.ecdsaKey(elliptic.P256(), purpose)
}

// serialFor returns a serial number that no other certificate has.
func (a *Authority) serialFor(common string, key crypto.PublicKey) *big.Int {
	if a.seed != nil {
		spki, _ := x509.MarshalPKIXPublicKey(key) // certifying it says what is wrong
		sum := sha256.Sum256(append([]byte(common+"\n"+a.now().String()+"\n"), spki...))
		return new(big.Int).SetBytes(sum[:15])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serial++
	return big.NewInt(a.serial)
}

// Issue certifies a key with the issuing certificate. change may modify the template for purposes
// other than signing documents. A nil change leaves it as it is.
func (a *Authority) Issue(
	common string, key crypto.PublicKey, change func(*x509.Certificate),
) (*x509.Certificate, error) {
	now := a.now()
	template := &x509.Certificate{
		SerialNumber: a.serialFor(common, key), Subject: name(common),
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
	der, err := x509.CreateCertificate(a.random(), template, a.issuing, key, a.issuingKey)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Issuer returns the certificate and the key that sign the certificates of Issue and their
// revocation data.
func (a *Authority) Issuer() (*x509.Certificate, crypto.Signer) { return a.issuing, a.issuingKey }

// Root returns the root certificate and its key, which sign the issuing certificate's revocation
// data.
func (a *Authority) Root() (*x509.Certificate, crypto.Signer) { return a.root, a.rootKey }

// RootPEM returns the root certificate, for programs that have to trust the simulation.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// key returns the only key of that kind. The first call creates it.
func (a *Authority) key(kind KeyKind) (crypto.Signer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if k, ok := a.keys[kind]; ok {
		return k, nil
	}
	k, err := makeKey(kind, a.seed)
	if err != nil {
		return nil, err
	}
	a.keys[kind] = k
	return k, nil
}

// makeKey creates a key of that kind, or derives it from the seed.
func makeKey(kind KeyKind, seed Seed) (k crypto.Signer, err error) {
	purpose := string(kind) + " key"
	switch {
	case (kind == RSA2048 || kind == RSAPlain || kind == RSAPSS) && seed != nil:
		k, err = seed.rsaKey(purpose)
	case kind == RSA2048, kind == RSAPlain, kind == RSAPSS:
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case kind == ECDSAP256:
		k, err = (&Authority{seed: seed}).ecdsaKey(elliptic.P256(), purpose)
	case kind == ECDSAP384:
		k, err = (&Authority{seed: seed}).ecdsaKey(elliptic.P384(), purpose)
	default:
		return nil, fmt.Errorf("unknown kind of key %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return k, nil
}
