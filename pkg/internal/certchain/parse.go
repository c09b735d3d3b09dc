package certchain

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

// Parse reads a certificate (DER). It accepts two faults that real authorities make and that
// crypto/x509 refuses: a negative serial number, and names with ASCII characters that their string
// type does not allow, such as '_' in a PrintableString. Both are harmless, because the number and
// the characters are unambiguous. The result keeps the original bytes, so what is embedded and
// verified is the certificate as it was issued.
//
// The error names the certificate and, if they are known, the field and the character.
func Parse(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err == nil {
		return c, nil
	}
	var f certificateFields
	if !f.read(der) {
		return nil, err
	}
	c, amendErr := parseAmended(der, &f)
	if amendErr != nil {
		return nil, fmt.Errorf("certificate of %s, serial number %s: %w", f.who(), f.serialText(), amendErr)
	}
	return c, nil
}

// certificateFields are parts of a certificate (RFC 5280 4.1). Each is a slice of the bytes that
// were read.
type certificateFields struct {
	whole, tbs, serial, issuer, subject cryptobyte.String
}

func (f *certificateFields) read(der []byte) bool {
	in := cryptobyte.String(der)
	var certificate, body cryptobyte.String
	if !in.ReadASN1Element(&f.whole, cbasn1.SEQUENCE) || !in.Empty() {
		return false
	}
	certificate = f.whole
	return certificate.ReadASN1(&certificate, cbasn1.SEQUENCE) &&
		certificate.ReadASN1Element(&f.tbs, cbasn1.SEQUENCE) &&
		readBody(f.tbs, &body) && body.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) &&
		body.ReadASN1Element(&f.serial, cbasn1.INTEGER) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.ReadASN1Element(&f.issuer, cbasn1.SEQUENCE) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.ReadASN1Element(&f.subject, cbasn1.SEQUENCE)
}

func readBody(element cryptobyte.String, body *cryptobyte.String) bool {
	return element.ReadASN1(body, cbasn1.SEQUENCE)
}

// parseAmended parses a copy in which the harmless faults are corrected, and puts the original
// bytes back into the result. The copy has the same length as the original, so every other offset
// stays valid.
func parseAmended(der []byte, f *certificateFields) (*x509.Certificate, error) {
	patched := bytes.Clone(der)
	var p certificateFields
	if !p.read(patched) {
		return nil, errors.New("malformed")
	}
	serial := new(big.Int)
	var number cryptobyte.String
	if whole := f.serial; !whole.ReadASN1Integer(serial) || !p.serial.ReadASN1(&number, cbasn1.INTEGER) {
		return nil, errors.New("the serial number is not an integer in DER")
	}
	if serial.Sign() < 0 {
		number[0] = 1 // makes any number positive and keeps its encoding minimal
	}
	if err := amendName(p.issuer, "issuer"); err != nil {
		return nil, err
	}
	if err := amendName(p.subject, "subject"); err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(patched)
	if err != nil {
		return nil, err
	}
	c.Raw, c.RawTBSCertificate, c.RawIssuer, c.RawSubject = f.whole, f.tbs, f.issuer, f.subject
	c.SerialNumber = serial
	return c, nil
}

func (f *certificateFields) serialText() string {
	var value cryptobyte.String
	if number := f.serial; !number.ReadASN1(&value, cbasn1.INTEGER) {
		return "?"
	}
	return fmt.Sprintf("%X", []byte(value[:min(len(value), 32)]))
}

// who returns the subject's name for error messages, whatever its strings contain.
func (f *certificateFields) who() string {
	var name string
	_ = eachAttribute(f.subject, func(a attribute) error {
		if a.name() == "commonName" || name == "" {
			name = printable.Text(string(a.content()), 64)
		}
		return nil
	})
	if name == "" {
		return "a subject without a name"
	}
	return fmt.Sprintf("%q", name)
}

// ParseCRL reads a certificate revocation list (DER). It accepts the same faults in the issuer's
// name as Parse does.
func ParseCRL(der []byte) (*x509.RevocationList, error) {
	crl, err := x509.ParseRevocationList(der)
	if err == nil {
		return crl, nil
	}
	var f crlFields
	if !f.read(der) {
		return nil, err
	}
	patched := bytes.Clone(der)
	var p crlFields
	if !p.read(patched) {
		return nil, err
	}
	if err := amendName(p.issuer, "issuer"); err != nil {
		return nil, err
	}
	if crl, err = x509.ParseRevocationList(patched); err != nil {
		return nil, err
	}
	crl.Raw, crl.RawTBSRevocationList, crl.RawIssuer = f.whole, f.tbs, f.issuer
	return crl, nil
}

// crlFields are parts of a certificate revocation list (RFC 5280 5.1).
type crlFields struct {
	whole, tbs, issuer cryptobyte.String
}

func (f *crlFields) read(der []byte) bool {
	in := cryptobyte.String(der)
	var list, body cryptobyte.String
	if !in.ReadASN1Element(&f.whole, cbasn1.SEQUENCE) || !in.Empty() {
		return false
	}
	return readBody(f.whole, &list) && list.ReadASN1Element(&f.tbs, cbasn1.SEQUENCE) && readBody(f.tbs, &body) &&
		body.SkipOptionalASN1(cbasn1.INTEGER) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.ReadASN1Element(&f.issuer, cbasn1.SEQUENCE)
}
