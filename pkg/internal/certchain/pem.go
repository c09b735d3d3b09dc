package certchain

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// ParsePEM returns the chain in a PEM text. The certificates may come in any order: see Order.
// ParsePEM reads at most limit certificates.
func ParsePEM(text []byte, limit int, at time.Time) ([]*x509.Certificate, error) {
	all, err := ParseAllPEM(text, limit)
	if err != nil {
		return nil, err
	}
	return Order(all, at), nil
}

// ParseAllPEM returns the certificates in a PEM text in their original order, at most limit of
// them. It skips other blocks. A text without any certificate is an error.
func ParseAllPEM(text []byte, limit int) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil && len(all) < limit; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := Parse(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return all, nil
}
