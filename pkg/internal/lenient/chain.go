package lenient

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// maxChain bounds a certificate chain.
const maxChain = 10

// Chain reads the certificates and puts each issuer after its subject. The first must be the signer's (as in CSC 11.5); what does not
// belong to its chain is left out.
func Chain(texts []string) ([]*x509.Certificate, error) {
	if len(texts) == 0 {
		return nil, errors.New("there is no certificate")
	}
	var all []*x509.Certificate
	for i, text := range texts[:min(len(texts), maxChain)] {
		c, err := parseCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in the list: %w", i, err)
		}
		all = append(all, c)
	}
	return certchain.Link(all[0], all[1:]), nil
}

// parseCertificate reads base64 of DER, PEM, or base64 of either once more.
func parseCertificate(text string) (*x509.Certificate, error) {
	for range 2 {
		if block, _ := pem.Decode([]byte(text)); block != nil {
			return x509.ParseCertificate(block.Bytes)
		}
		data, err := Base64(text)
		if err != nil {
			return nil, errors.New("not base64")
		}
		if len(data) > 0 && data[0] == 0x30 { // SEQUENCE: DER at last
			return x509.ParseCertificate(data)
		}
		text = string(data)
	}
	return nil, errors.New("not a certificate")
}
