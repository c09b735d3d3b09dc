package cms

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// SignatureTimestamp verifies all signature timestamps of s and returns the first. It returns nil
// if there is none. Errors wrap ErrMismatch, ErrUnsupported or ErrMalformed.
func (s *SignerInfo) SignatureTimestamp() (*Timestamp, error) {
	var first *Timestamp
	for _, token := range s.Unsigned(OIDSignatureTimestamp) {
		t, err := ParseTimestamp(token)
		if err != nil {
			return nil, err
		}
		if t.Hash == 0 {
			return nil, fmt.Errorf("the hash algorithm of the timestamp: %w", ErrUnsupported)
		}
		h := t.Hash.New()
		h.Write(s.Value)
		if _, err := t.Verify(h.Sum(nil), t.Hash); err != nil {
			return nil, err
		}
		if first == nil {
			first = t
		}
	}
	return first, nil
}

// Authority returns the certificate of the authority, or nil if the token does not contain it.
func (t *Timestamp) Authority() *x509.Certificate {
	s, err := t.Signed.Signer()
	if err != nil {
		return nil
	}
	return t.Signed.Certificate(s)
}

// Chain returns the chain of the authority. An authority may send only its own certificate, so
// issuers are also searched in others. It returns nil if the token does not contain the certificate
// of the authority.
func (t *Timestamp) Chain(others ...*x509.Certificate) []*x509.Certificate {
	cert := t.Authority()
	if cert == nil {
		return nil
	}
	return certchain.Link(cert, slices.Concat(t.Signed.Certificates, others), t.Time)
}
