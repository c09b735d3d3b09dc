package software

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

const (
	caLife   = 20 * 365 * 24 * time.Hour
	leafLife = 365 * 24 * time.Hour
	// backdate lets a verifier whose clock is slow accept a certificate that was made a moment ago.
	backdate = 5 * time.Minute
)

func nearEnd(c *x509.Certificate, now time.Time) bool { return now.After(c.NotAfter.Add(-renewBefore)) }

// refresh makes each part that is missing, that has another key type than want, or that expires
// soon. It reports whether it made anything.
func (m *material) refresh(want KeyType) (bool, error) {
	if want == "" {
		want = RSA2048
	}
	now := time.Now()
	fresh := false
	if m.ca == nil || m.ca.NotAfter.Before(now.Add(leafLife)) {
		if err := m.makeCA(now); err != nil {
			return false, err
		}
		m.leaf, fresh = nil, true
	}
	if m.key == nil || !isType(m.key, want) {
		key, err := generate(want)
		if err != nil {
			return false, fmt.Errorf("make key: %w", err)
		}
		m.key, m.leaf, fresh = key, nil, true
	}
	if m.leaf == nil || nearEnd(m.leaf, now) {
		if err := m.makeLeaf(now); err != nil {
			return false, err
		}
		fresh = true
	}
	return fresh, nil
}

func isType(key crypto.Signer, want KeyType) bool {
	t, err := keyType(key.Public())
	return err == nil && t == want
}

// makeCA makes a new development CA. Its key is always on P-256, whatever the signing key is,
// because such a key is made quickly.
func (m *material) makeCA(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make CA key: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:         "Embedded development CA " + rand.Text()[:6], // two installations must have different names
			Organization:       []string{"signstash-proxy"},
			OrganizationalUnit: []string{"development only, no legal value"},
		},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	m.caKey = key
	m.ca, err = certify(template, template, key.Public(), key)
	return err
}

// makeLeaf makes a signing certificate for the key (RFC 5280). It sets nonRepudiation, because
// validators of AdES require it. It sets no extended key usage, because NSS would then require the
// one for e-mail.
func (m *material) makeLeaf(now time.Time) error {
	template := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:         "Embedded development signer, no legal value",
			Organization:       []string{"signstash-proxy"},
			OrganizationalUnit: []string{"development only, no legal value"},
		},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	var err error
	m.leaf, err = certify(template, m.ca, m.key.Public(), m.caKey)
	return err
}

// certify signs a certificate with a random serial number of 127 bits and with both key
// identifiers.
func certify(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20] // RFC 7093 2; the authority's identifier comes from parent
	if template == parent {
		template.AuthorityKeyId = template.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
