package evidence

import (
	"crypto/x509"
	"errors"
	"slices"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// Set is validation data of a signature. Data that cannot be parsed counts for nothing, because
// other programs may have stored it. So does data that is not signed by those who may sign it. A
// Set may be read concurrently.
type Set struct {
	Certificates []*x509.Certificate
	ocsps        [][]byte
	crls         []*x509.RevocationList
}

// AddCertificate adds a certificate.
func (s *Set) AddCertificate(der []byte) {
	if c, err := certchain.Parse(der); err == nil {
		s.Certificates = append(s.Certificates, c)
	}
}

// AddOCSP adds an OCSPResponse (RFC 6960 4.2.1). It is parsed when it is needed, because one
// response may be about several certificates.
func (s *Set) AddOCSP(der []byte) { s.ocsps = append(s.ocsps, der) }

// AddCRL adds a certificate revocation list.
func (s *Set) AddCRL(der []byte) {
	if l, err := certchain.ParseCRL(der); err == nil {
		s.crls = append(s.crls, l)
	}
}

var (
	errNoCertificate = errors.New("the validation data does not contain a certificate of the chain")
	errNoRevocation  = errors.New("the validation data has no revocation data for a certificate")
)

// Covers checks that the set has validation data for the first certificate of a chain and for each
// certificate above it, and that this data says that the certificate is not revoked. It stops at a
// root, or at a certificate whose issuer is unknown here, because a validator may trust a
// certificate that is not a root. If a certificate has several issuers, as after
// cross-certification, one of them is enough.
func (s *Set) Covers(chain []*x509.Certificate) error { return s.CoversAmong(chain, s.Certificates) }

// CoversAmong is like Covers, but looks for issuers only in chain and in others. A further
// certificate that another program stored must not require more of our data.
func (s *Set) CoversAmong(chain, others []*x509.Certificate) error {
	p := &path{Set: s, pool: append(chain[1:len(chain):len(chain)], others...), seen: map[string]bool{}}
	return p.from(chain[0], true)
}

// path searches for one path from a certificate upwards.
type path struct {
	*Set
	pool []*x509.Certificate
	seen map[string]bool // keyed by DER; each certificate is tried once
}

func (p *path) from(cert *x509.Certificate, first bool) error {
	if isSelfIssued(cert) {
		return nil
	}
	p.seen[string(cert.Raw)] = true
	issuers := p.issuers(cert)
	switch {
	case len(issuers) == 0 && !first:
		return nil
	case !slices.ContainsFunc(p.Certificates, cert.Equal):
		return errNoCertificate
	}
	err := errNoRevocation
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

func (p *path) issuers(cert *x509.Certificate) []*x509.Certificate {
	var list []*x509.Certificate
	for _, c := range p.pool {
		if string(c.RawSubject) == string(cert.RawIssuer) && cert.CheckSignatureFrom(c) == nil {
			list = append(list, c)
		}
	}
	return list
}

func isSelfIssued(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// revocationFor reports whether the set has an OCSP response or a CRL which shows that cert is not
// revoked, and which is signed by issuer or by a delegate of it.
func (s *Set) revocationFor(cert, issuer *x509.Certificate) bool {
	for _, der := range s.ocsps {
		r, err := ocsp.ParseResponseForCert(der, cert, nil)
		if err != nil || r.Status != ocsp.Good {
			continue
		}
		if s.trusts(r, cert, issuer) {
			return true
		}
	}
	for _, l := range s.crls {
		scope, err := CheckCRL(l, issuer)
		if err == nil && scope.Covers(cert) == nil && !lists(l, cert) {
			return true
		}
	}
	return false
}

// trusts reports whether the signer of an OCSP response may answer for issuer. It must have been
// entitled when it answered; later its certificate may expire. Beyond RFC 6960, which leaves this
// to the configuration of the validator, a certificate above issuer may have certified it, as some
// authorities have one responder for all their issuers.
func (s *Set) trusts(r *ocsp.Response, cert, issuer *x509.Certificate) bool {
	responder, err := CheckOCSP(r, cert, issuer, r.ProducedAt, s.Certificates...)
	if err == nil || responder == nil {
		return err == nil
	}
	above := certchain.Link(issuer, s.Certificates, r.ProducedAt)[1:]
	return slices.ContainsFunc(above, func(c *x509.Certificate) bool {
		return checkResponder(responder, c, r.ProducedAt) == nil
	})
}

// lists reports whether a CRL contains a certificate of its issuer.
func lists(l *x509.RevocationList, cert *x509.Certificate) bool {
	return slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
}
