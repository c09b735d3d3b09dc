package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
)

// maxIssuerBytes bounds what caIssuers gives: one certificate, or a bundle of a few.
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

// issuer returns the certificate that signed cert: one of chain, or what cert's caIssuers address gives (RFC 5280 4.2.2.1). Nil when
// it is not in chain and cert names no address.
func (g *Gatherer) issuer(ctx context.Context, cert *x509.Certificate, chain []*x509.Certificate) (*x509.Certificate, error) {
	if c := signerOf(cert, chain); c != nil {
		return c, nil
	}
	addresses := usable(cert.IssuingCertificateURL)
	if len(addresses) == 0 {
		return nil, nil
	}
	var failures []error
	for _, address := range addresses {
		body, err := g.kept(ctx, "issuer "+address, func(ctx context.Context) (any, time.Time, error) {
			der, err := g.get(ctx, address, maxIssuerBytes)
			return der, time.Now().Add(g.cfg.MaxAge), err
		})
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if c := signerOf(cert, parseCertificates(body.([]byte))); c != nil {
			return c, nil
		}
		failures = append(failures, errors.New("it is not the issuer's certificate"))
	}
	return nil, fmt.Errorf("fetch issuer: %w", errors.Join(failures...))
}

func signerOf(cert *x509.Certificate, list []*x509.Certificate) *x509.Certificate {
	for _, c := range list {
		if bytes.Equal(c.RawSubject, cert.RawIssuer) && cert.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// parseCertificates reads a certificate, as DER or PEM, or a bundle of them (certs-only CMS message, RFC 5652 5.1).
func parseCertificates(body []byte) []*x509.Certificate {
	if block, _ := pem.Decode(body); block != nil {
		body = block.Bytes
	}
	if c, err := x509.ParseCertificate(body); err == nil {
		return []*x509.Certificate{c}
	}
	if bundle, err := cms.Parse(body); err == nil {
		return bundle.Certificates
	}
	return nil
}
