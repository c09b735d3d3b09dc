package lenient

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
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
	chain := all[:1:1]
	for len(chain) <= len(all) {
		last := chain[len(chain)-1]
		next := issuerOf(last, all)
		if next == nil || next == last {
			break
		}
		chain = append(chain, next)
	}
	return chain, nil
}

// issuerOf returns the certificate in all that signed c; c itself where it is self-signed.
func issuerOf(c *x509.Certificate, all []*x509.Certificate) *x509.Certificate {
	for _, candidate := range all {
		if string(candidate.RawSubject) == string(c.RawIssuer) && c.CheckSignatureFrom(candidate) == nil {
			return candidate
		}
	}
	return nil
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
