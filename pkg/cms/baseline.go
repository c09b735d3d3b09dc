package cms

import (
	"encoding/asn1"
	"errors"
)

// CheckBaseline checks the SignedData of a PAdES baseline signature against ETSI EN 319 142-1 6.3
// and the encoding rules: one signer, detached id-data, each mandatory signed attribute once, no
// signing-time, DER with sorted sets, no empty unsigned attributes, and the signing certificate
// both included and named. It returns all faults joined, each with ErrMismatch, or nil. It does not
// verify the signature. Verify does.
func (d *SignedData) CheckBaseline() error {
	c := baselineCheck{name: "PAdES"}
	c.fault(!d.DER, "SignedData is not DER")
	c.fault(!d.ContentType.Equal(OIDData), "content is of type %v, not id-data", d.ContentType)
	c.fault(d.Content != nil, "content is not detached")
	c.fault(len(d.Signers) != 1, "%d signers, want 1", len(d.Signers))
	if len(d.Signers) != 1 {
		return errors.Join(c.faults...)
	}
	s := &d.Signers[0]
	c.signer(d, s)
	c.fault(len(s.Signed(OIDSigningTime)) != 0, "signing-time is forbidden")
	return errors.Join(c.faults...)
}

// CheckCAdESBaseline checks a signer of d against ETSI EN 319 122-1 6.3 as CheckBaseline does for
// PAdES. Other signers and BER are allowed. signing-time is mandatory, and the older attributes
// with validation data or references to it are not allowed.
func (d *SignedData) CheckCAdESBaseline(s *SignerInfo) error {
	c := baselineCheck{name: "CAdES"}
	c.fault(!d.ContentType.Equal(OIDData), "content is of type %v, not id-data", d.ContentType)
	c.signer(d, s)
	n := len(s.Signed(OIDSigningTime))
	c.fault(n != 1, "signing-time is present %d times, want once", n)
	for _, a := range olderAttributes {
		c.fault(len(s.Unsigned(a.oid)) != 0, "%s is not allowed", a.name)
	}
	return errors.Join(c.faults...)
}

// olderAttributes are the attributes of ETSI EN 319 122-2, which a baseline signature must not
// have.
var olderAttributes = []struct {
	name string
	oid  asn1.ObjectIdentifier
}{
	{"complete-certificate-references", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 21}},
	{"complete-revocation-references", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 22}},
	{"certificate-values", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 23}},
	{"revocation-values", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 24}},
	{"CAdES-C-time-stamp", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 25}},
	{"time-stamped-certs-crls-references", asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 26}},
}

// baselineCheck collects the faults of one check.
type baselineCheck struct {
	name   string
	faults []error
}

func (c *baselineCheck) fault(bad bool, format string, args ...any) {
	if bad {
		c.faults = append(c.faults, mismatch(c.name+" baseline: "+format, args...))
	}
}

// signer checks what PAdES and CAdES both require of a signer.
func (c *baselineCheck) signer(d *SignedData, s *SignerInfo) {
	for _, a := range []struct {
		name string
		n    int
	}{
		{"content-type", len(s.Signed(OIDContentType))},
		{"message-digest", len(s.Signed(OIDMessageDigest))},
		{"signing-certificate", len(s.Signed(OIDSigningCertificate)) + len(s.Signed(OIDSigningCertificateV2))},
	} {
		c.fault(a.n != 1, "%s is present %d times, want once", a.name, a.n)
	}
	c.fault(!s.Sorted, "signed attributes are not in DER order")
	c.fault(s.HasUnsigned && len(s.UnsignedAttributes) == 0, "unsigned attributes are empty")
	cert := d.Certificate(s)
	c.fault(cert == nil, "the signing certificate is missing")
	if cert != nil {
		if err := s.CheckSigningCertificate(cert); err != nil {
			c.faults = append(c.faults, err)
		}
	}
}
