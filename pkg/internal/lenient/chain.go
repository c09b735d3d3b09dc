package lenient

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// maxChain bounds the certificates that are read, including unrelated ones and duplicates that
// services add.
const maxChain = 20

// Chain reads certificates that come in any order and returns the best chain in them
// (certchain.Order). Duplicates and unrelated certificates are left out. The first should be the
// signer's (CSC 11.5), and is used as such unless it is a CA certificate.
func Chain(texts []string) ([]*x509.Certificate, error) {
	if len(texts) == 0 {
		return nil, errors.New("there is no certificate")
	}
	var all []*x509.Certificate
	for i, text := range texts[:min(len(texts), maxChain)] {
		c, err := parseCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in the list: %w", i+1, err)
		}
		all = append(all, c)
	}
	return certchain.Order(all, time.Now()), nil
}

// parseCertificate reads PEM, DER in base64, or either of them encoded in base64 once more.
func parseCertificate(text string) (*x509.Certificate, error) {
	for range 2 {
		if block, _ := pem.Decode([]byte(text)); block != nil {
			return certchain.Parse(block.Bytes)
		}
		data, err := Base64(text)
		if err != nil {
			return nil, errors.New("not base64")
		}
		if len(data) > 0 && data[0] == 0x30 { // an ASN.1 SEQUENCE, so this is DER
			return certchain.Parse(data)
		}
		text = string(data)
	}
	return nil, errors.New("not a certificate")
}
