package revocation

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// maxIssuerBytes is the largest answer of a caIssuers address: one certificate, or a bundle of a
// few.
const maxIssuerBytes = 128 << 10

var oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

func hasExtension(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(oid) {
			return true
		}
	}
	return false
}

// path finds the issuers of one chain.
type path struct {
	*Gatherer
	pool []*x509.Certificate // is searched for issuers before they are fetched
}

// issuer returns the certificate that signed cert. It is the next one on the best path through the
// pool, or the one at cert's caIssuers address (RFC 5280 4.2.2.1), which is then added to the pool.
// It returns nil if the issuer is not in the pool and cert names no address.
func (p *path) issuer(ctx context.Context, cert *x509.Certificate) (*x509.Certificate, error) {
	if known := certchain.Link(cert, p.pool, time.Now()); len(known) > 1 {
		return known[1], nil
	}
	addresses := usable(cert.IssuingCertificateURL)
	if len(addresses) == 0 {
		return nil, nil
	}
	var failures []error
	for _, address := range addresses {
		body, err := p.cached(ctx, "issuer "+address, func(ctx context.Context) (any, time.Time, error) {
			der, err := p.get(ctx, address, maxIssuerBytes)
			return der, time.Now().Add(p.cfg.MaxAge), err
		})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		p.pool = append(p.pool, parseCertificates(body.([]byte))...)
		if known := certchain.Link(cert, p.pool, time.Now()); len(known) > 1 {
			return known[1], nil
		}
		failures = append(failures, errors.New("it is not the issuer's certificate"))
	}
	return nil, fmt.Errorf("fetch issuer: %w", errors.Join(failures...))
}

// parseCertificates parses one certificate (DER or PEM) or a bundle of them (certs-only CMS
// message, RFC 5652 5.1).
func parseCertificates(body []byte) []*x509.Certificate {
	if block, _ := pem.Decode(body); block != nil {
		body = block.Bytes
	}
	if c, err := certchain.Parse(body); err == nil {
		return []*x509.Certificate{c}
	}
	if bundle, err := cms.Parse(body); err == nil {
		return bundle.Certificates
	}
	return nil
}
