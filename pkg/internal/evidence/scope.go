package evidence

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidAuthorityKeyID           = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// CheckCRL checks that issuer signed a CRL, and that the CRL is not a delta CRL, an indirect one or
// one of a kind that is not understood (RFC 5280 6.3.3). It returns which certificates the CRL
// covers. It does not check the times of the CRL.
func CheckCRL(crl *x509.RevocationList, issuer *x509.Certificate) (Scope, error) {
	if !bytes.Equal(crl.RawIssuer, issuer.RawSubject) {
		return Scope{}, errors.New("the CRL is from another issuer")
	}
	if err := crl.CheckSignatureFrom(issuer); err != nil {
		return Scope{}, err
	}
	return readScope(crl)
}

// Scope is the set of certificates to which an issuing distribution point (RFC 5280 5.2.5)
// restricts a CRL. The zero Scope covers all certificates.
type Scope struct {
	onlyUsers, onlyCAs bool
	points             []string // URIs; nil = not restricted
}

// readScope reads the critical extensions of the CRL. If one of them is not understood, the CRL
// cannot be used (RFC 5280 5.2).
func readScope(crl *x509.RevocationList) (s Scope, err error) {
	for _, e := range crl.Extensions {
		switch {
		case e.Id.Equal(oidIssuingDistributionPoint):
			if s, err = parseScope(e.Value); err != nil {
				return s, err
			}
		case e.Critical && !e.Id.Equal(oidAuthorityKeyID):
			return s, errors.New("the CRL has an unknown critical extension")
		}
	}
	return s, nil
}

// parseScope parses IssuingDistributionPoint: [0] distributionPoint, [1] onlyContainsUserCerts, [2]
// onlyContainsCACerts, [3] onlySomeReasons, [4] indirectCRL, [5] onlyContainsAttributeCerts. A CRL
// with one of the last three does not contain enough information.
func parseScope(der []byte) (Scope, error) {
	malformed := errors.New("the CRL's distribution point is malformed")
	var s Scope
	in := cryptobyte.String(der)
	var body, point cryptobyte.String
	var has bool
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() ||
		!body.ReadOptionalASN1(&point, &has, cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return s, malformed
	}
	if has {
		var names, uri cryptobyte.String
		if !point.ReadASN1(&names, cbasn1.Tag(0).ContextSpecific().Constructed()) {
			return s, errors.New("the CRL's distribution point has no full name")
		}
		s.points = []string{}
		for !names.Empty() {
			var tag cbasn1.Tag
			if !names.ReadAnyASN1(&uri, &tag) {
				return s, malformed
			}
			if tag == cbasn1.Tag(6).ContextSpecific() { // uniformResourceIdentifier
				s.points = append(s.points, string(uri))
			}
		}
	}
	for !body.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !body.ReadAnyASN1(&value, &tag) {
			return s, malformed
		}
		set := len(value) == 1 && value[0] != 0
		switch {
		case tag == cbasn1.Tag(1).ContextSpecific():
			s.onlyUsers = set
		case tag == cbasn1.Tag(2).ContextSpecific():
			s.onlyCAs = set
		case tag == cbasn1.Tag(3).ContextSpecific() || set:
			return s, errors.New("the CRL is partial, indirect or for attribute certificates")
		}
	}
	return s, nil
}

// Covers returns an error if the CRL does not cover cert. Then it proves nothing that cert is not
// in the CRL.
func (s Scope) Covers(cert *x509.Certificate) error {
	if s.onlyUsers && cert.IsCA || s.onlyCAs && !cert.IsCA {
		return errors.New("the CRL covers other kinds of certificates")
	}
	if s.points == nil {
		return nil
	}
	for _, p := range s.points {
		for _, own := range cert.CRLDistributionPoints {
			if p == own {
				return nil
			}
		}
	}
	return errors.New("the CRL belongs to another distribution point")
}
