package software

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// crlLife is how long a list of the development CA is valid. It is made anew when half of that is
// over.
const crlLife = 24 * time.Hour

// crl is the development CA's list as it is kept.
type crl struct {
	der   []byte
	ca    *x509.Certificate
	until time.Time
}

// CRLs returns the list of revoked certificates (DER, RFC 5280 5) of issuer where that is this
// provider's development CA, else nothing. The list is empty: the CA revokes nothing. It is here so
// that level B-LT can be tried without a CA on the network; its form is that of
// revocation.Config.Local.
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
