// Package certchain puts certificates that come in any order into the order of a chain.
package certchain

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// Link returns the chain from leaf upwards, as far as others lead. What does not belong to it is left out; a root is its last.
func Link(leaf *x509.Certificate, others []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for top := leaf; !selfIssued(top) && len(chain) <= len(others); {
		issuer := issuerOf(top, others)
		if issuer == nil {
			break
		}
		chain = append(chain, issuer)
		top = issuer
	}
	return chain
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }

// issuerOf returns the certificate that signed c: names alone may be those of an older or a stranger's key.
func issuerOf(c *x509.Certificate, all []*x509.Certificate) *x509.Certificate {
	for _, candidate := range all {
		if bytes.Equal(candidate.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(candidate) == nil {
			return candidate
		}
	}
	return nil
}

// ParsePEM returns the chain in a PEM text whose first certificate is the leaf, reading limit certificates at most.
func ParsePEM(text []byte, limit int) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil && len(all) < limit; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all), err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return Link(all[0], all[1:]), nil
}
