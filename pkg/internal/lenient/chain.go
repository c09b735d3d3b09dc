package lenient

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// maxChain bounds a certificate chain, with the strangers and duplicates that services add.
const maxChain = 20

// Chain reads certificates that come in any order and returns the best chain in them
// (certchain.Order). Duplicates and strangers are left out. The first should be the signer's (CSC
// 11.5), and is taken for it unless it is a CA's.
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

// parseCertificate reads base64 of DER, PEM, or base64 of either once more.
func parseCertificate(text string) (*x509.Certificate, error) {
	for range 2 {
		if block, _ := pem.Decode([]byte(text)); block != nil {
			return certchain.Parse(block.Bytes)
		}
		data, err := Base64(text)
		if err != nil {
			return nil, errors.New("not base64")
		}
		if len(data) > 0 && data[0] == 0x30 { // SEQUENCE: DER at last
			return certchain.Parse(data)
		}
		text = string(data)
	}
	return nil, errors.New("not a certificate")
}
