package pades

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// store is a parsed document security store. Data that cannot be parsed is skipped, because other
// programs may have stored it.
type store struct {
	certs []*x509.Certificate
	ocsps []*ocsp.Response
	crls  []*x509.RevocationList
}

// readStore reads the document security store of a document. It returns an empty store if the
// document has none.
func readStore(doc *pdf.Document) (*store, error) {
	_, lists, err := storeLists(doc)
	if err != nil {
		return nil, err
	}
	s := &store{}
	for i, add := range []func(der []byte){
		func(der []byte) {
			if c, err := certchain.Parse(der); err == nil {
				s.certs = append(s.certs, c)
			}
		},
		func(der []byte) {
			if r, err := ocsp.ParseResponse(der, nil); err == nil {
				s.ocsps = append(s.ocsps, r)
			}
		},
		func(der []byte) {
			if l, err := certchain.ParseCRL(der); err == nil {
				s.crls = append(s.crls, l)
			}
		},
	} {
		if err := eachStream(doc, lists[i], maxKnown+maxAdded, add); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// covers checks that the store has validation data for the first certificate of a chain and for
// each certificate above it. It stops at a root, or at a certificate whose issuer is unknown here,
// because a validator may trust a certificate that is not a root. If a certificate has several
// issuers, as after cross-certification, one of them is enough.
func (s *store) covers(chain []*x509.Certificate) error { return s.coversAmong(chain, s.certs) }

// coversAmong is like covers, but looks for issuers only in chain and in others. A further
// certificate that another program stored must not require more of our data.
func (s *store) coversAmong(chain, others []*x509.Certificate) error {
	p := &storePath{store: s, pool: append(chain[1:len(chain):len(chain)], others...), seen: map[string]bool{}}
	return p.from(chain[0], true)
}

// storePath searches for one path from a certificate upwards.
type storePath struct {
	*store
	pool []*x509.Certificate
	seen map[string]bool // keyed by DER; each certificate is tried once
}

func (p *storePath) from(cert *x509.Certificate, first bool) error {
	if isSelfIssued(cert) {
		return nil
	}
	p.seen[string(cert.Raw)] = true
	issuers := p.issuers(cert)
	switch {
	case len(issuers) == 0 && !first:
		return nil
	case !p.hasCertificate(cert):
		return fmt.Errorf("a certificate is missing in the document security store")
	case len(issuers) == 0 && p.revocationFor(cert, nil):
		return nil
	}
	err := fmt.Errorf("the document security store has no revocation data for a certificate")
	for _, issuer := range issuers {
		if p.seen[string(issuer.Raw)] || !p.revocationFor(cert, issuer) {
			continue
		}
		if err = p.from(issuer, false); err == nil {
			return nil
		}
	}
	return err
}

func (p *storePath) issuers(cert *x509.Certificate) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range p.pool {
		if string(c.RawSubject) == string(cert.RawIssuer) && cert.CheckSignatureFrom(c) == nil {
			list = append(list, c)
		}
	}
	return list
}

func isSelfIssued(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

func (s *store) hasCertificate(cert *x509.Certificate) bool {
	for _, c := range s.certs {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}

// revocationFor reports whether the store has an OCSP response or a CRL that covers cert. The
// signature of an OCSP response is not verified here.
func (s *store) revocationFor(cert, issuer *x509.Certificate) bool {
	for _, r := range s.ocsps {
		if r.SerialNumber != nil && r.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return true
		}
	}
	for _, l := range s.crls {
		if string(l.RawIssuer) == string(cert.RawIssuer) && (issuer == nil || l.CheckSignatureFrom(issuer) == nil) {
			return true
		}
	}
	return false
}
