package cms

import (
	"errors"
)

// CheckBaseline checks the SignedData of a PAdES baseline signature against ETSI EN 319 142-1 6.3
// and the encoding rules: one signer, detached id-data, each mandatory signed attribute once, no
// signing-time, DER with sorted sets, no empty unsigned attributes, and the signing certificate
// both included and named. It returns all faults joined, each with ErrMismatch, or nil. It does not
// verify the signature. Verify does.
func (d *SignedData) CheckBaseline() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, mismatch("PAdES baseline: "+format, args...))
		}
	}
	fault(!d.DER, "SignedData is not DER")
	fault(!d.ContentType.Equal(OIDData), "content is of type %v, not id-data", d.ContentType)
	fault(d.Content != nil, "content is not detached")
	fault(len(d.Signers) != 1, "%d signers, want 1", len(d.Signers))
	if len(d.Signers) != 1 {
		return errors.Join(faults...)
	}
	s := &d.Signers[0]
	for _, a := range []struct {
		name string
		n    int
	}{
		{"content-type", len(s.Signed(OIDContentType))},
		{"message-digest", len(s.Signed(OIDMessageDigest))},
		{"signing-certificate", len(s.Signed(OIDSigningCertificate)) + len(s.Signed(OIDSigningCertificateV2))},
	} {
		fault(a.n != 1, "%s is present %d times, want once", a.name, a.n)
	}
	fault(len(s.Signed(OIDSigningTime)) != 0, "signing-time is forbidden")
	fault(!s.Sorted, "signed attributes are not in DER order")
	fault(s.HasUnsigned && len(s.UnsignedAttributes) == 0, "unsigned attributes are empty")
	cert := d.Certificate(s)
	fault(cert == nil, "the signing certificate is missing")
	if cert != nil {
		if err := s.CheckSigningCertificate(cert); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
