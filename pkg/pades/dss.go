package pades

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// store is a parsed document security store. What cannot be parsed is left out: others may have put
// it there.
type store struct {
	certs []*x509.Certificate
	ocsps []*ocsp.Response
	crls  []*x509.RevocationList
}

// readStore reads the store of a document; it is empty where there is none.
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

// covers wants validation data for the first certificate of a chain, and for each above it up to a
// root, or up to one whose issuer is not known here: what a validator trusts need not be a root. Of
// several issuers, as after cross-certification, one is enough.
func (s *store) covers(chain []*x509.Certificate) error { return s.coversAmong(chain, s.certs) }

// coversAmong is covers where the issuers known are those of the chain and the others given: that
// somebody else stored one more certificate demands no more of our data.
func (s *store) coversAmong(chain, others []*x509.Certificate) error {
	p := &storePath{store: s, pool: append(chain[1:len(chain):len(chain)], others...), seen: map[string]bool{}}
	return p.from(chain[0], true)
}

// storePath looks for one path from a certificate upwards.
type storePath struct {
	*store
	pool []*x509.Certificate
	seen map[string]bool // by their DER: each certificate is tried once
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
	case !p.holds(cert):
		return fmt.Errorf("a certificate is not in the store")
	case len(issuers) == 0 && p.revocationFor(cert, nil):
		return nil
	}
	err := fmt.Errorf("a certificate has no revocation data in the store")
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

func (s *store) holds(cert *x509.Certificate) bool {
	for _, c := range s.certs {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}

// revocationFor reports whether an OCSP response or a CRL speaks of cert. Their signatures are not
// verified here.
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
