package software

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// crlLife is how long a CRL of the development CA is valid. A new one is made after half of that
// time.
const crlLife = 24 * time.Hour

// crl is the cached CRL of the development CA.
type crl struct {
	der   []byte
	ca    *x509.Certificate
	until time.Time
}

// CRLs returns the CRL (DER, RFC 5280 5) of issuer if issuer is this provider's development CA, and
// nothing otherwise. The CRL is empty, because the CA revokes nothing. It allows users to try level
// B-LT without a CA on the network. The signature of CRLs is that of revocation.Config.Local.
func (p *Provider) CRLs(_ context.Context, issuer *x509.Certificate) ([][]byte, error) {
	if p.embedded == nil || !isCA(p.current.Load().credential.Chain, issuer) {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if c := p.embedded.crl; c != nil && c.ca.Equal(issuer) && now.Before(c.until) {
		return [][]byte{c.der}, nil
	}
	m, err := p.embedded.load()
	if err != nil {
		return nil, fmt.Errorf("make CRL: %w", err)
	}
	if m.ca == nil || !m.ca.Equal(issuer) {
		return nil, nil
	}
	template := &x509.RevocationList{
		Number:     big.NewInt(now.UnixNano()),
		ThisUpdate: now.Add(-backdate),
		NextUpdate: now.Add(crlLife),
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, m.ca, m.caKey)
	if err != nil {
		return nil, fmt.Errorf("make CRL: %w", err)
	}
	p.embedded.crl = &crl{der, m.ca, now.Add(crlLife / 2)}
	return [][]byte{der}, nil
}

func isCA(chain []*x509.Certificate, c *x509.Certificate) bool {
	return chain[len(chain)-1].Equal(c)
}
