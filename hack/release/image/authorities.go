package image

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Authorities returns the certificate authorities of the image, in PEM. They are Mozilla's, in the
// version that go.mod pins, so that the image does not depend on the machine that builds it.
// Authorities that Mozilla trusts only for older certificates are left out, because a PEM file
// cannot say so.
func Authorities() ([]byte, error) {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, err
		}
		out.WriteString("# " + cert.Subject.String() + "\n")
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
