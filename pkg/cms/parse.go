package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// Bounds on counts. They are far above those of any real signature.
const (
	maxCertificates = 256
	maxCRLs         = 256
	maxSigners      = 16
	maxAttributes   = 64
	maxValues       = 64
)

// Parse reads a ContentInfo with a SignedData. It counts zero bytes after it, which are the padding
// of reserved contents. Any other byte after it is an error. BER lengths and split octet strings
// are accepted and reported (SignedData.DER). Errors wrap ErrMalformed. An unknown algorithm is
// accepted here; Verify reports it. A certificate that is byte for byte in known is not parsed
// again.
func Parse(in []byte, known ...*x509.Certificate) (*SignedData, error) {
	der, size, was, err := ber.ToDER(in)
	if err != nil {
		return nil, malformed("ContentInfo: %v", err)
	}
	rest := in[size:]
	if len(bytes.TrimLeft(rest, "\x00")) != 0 {
		return nil, malformed("bytes after the structure are not zero")
	}
	d := &SignedData{Size: size, Padding: len(rest), DER: was}
	s := cryptobyte.String(der)
	var info, explicit, body cryptobyte.String
	var contentType asn1.ObjectIdentifier
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&contentType) {
		return nil, malformed("ContentInfo")
	}
	if !contentType.Equal(OIDSignedData) {
		return nil, malformed("content type %v is not SignedData", contentType)
	}
	if !info.ReadASN1(&explicit, contextTag(0)) || !info.Empty() || !explicit.ReadASN1(&body, cbasn1.SEQUENCE) ||
		!explicit.Empty() {
		return nil, malformed("ContentInfo")
	}
	if err := d.parse(body, known); err != nil {
		return nil, err
	}
	return d, nil
}

// parseCertificate returns the certificate in known that has exactly these bytes, or parses raw.
func parseCertificate(raw []byte, known []*x509.Certificate) (*x509.Certificate, error) {
	for _, c := range known {
		if bytes.Equal(c.Raw, raw) {
			return c, nil
		}
	}
	return certchain.Parse(raw)
}

// parse reads the fields of SignedData (RFC 5652 5.1).
func (d *SignedData) parse(s cryptobyte.String, known []*x509.Certificate) error {
	var digests, content, certificates, crls, signers cryptobyte.String
	var hasCertificates, hasCRLs bool
	if !s.ReadASN1Integer(&d.Version) || !s.ReadASN1(&digests, cbasn1.SET) || !s.ReadASN1(&content, cbasn1.SEQUENCE) ||
		!s.ReadOptionalASN1(&certificates, &hasCertificates, contextTag(0)) ||
		!s.ReadOptionalASN1(&crls, &hasCRLs, contextTag(1)) ||
		!s.ReadASN1(&signers, cbasn1.SET) || !s.Empty() {
		return malformed("SignedData")
	}
	var ok bool
	if d.RawDigestAlgorithms, ok = readElements(digests, maxSigners); !ok {
		return malformed("digestAlgorithms")
	}
	for _, raw := range d.RawDigestAlgorithms {
		in := cryptobyte.String(raw)
		oid, _, ok := readAlgorithm(&in)
		if !ok {
			return malformed("digestAlgorithms")
		}
		d.DigestAlgorithms = append(d.DigestAlgorithms, oid)
	}
	if err := d.parseContent(content); err != nil {
		return err
	}
	if d.RawCertificates, ok = readElements(certificates, maxCertificates); !ok {
		return malformed("certificates")
	}
	for _, raw := range d.RawCertificates {
		// Attribute certificates and certificates that crypto/x509 refuses stay in RawCertificates only.
		if c, err := parseCertificate(raw, known); err == nil {
			d.Certificates = append(d.Certificates, c)
		}
	}
	if d.CRLs, ok = readElements(crls, maxCRLs); !ok {
		return malformed("crls")
	}
	for !signers.Empty() {
		var one cryptobyte.String
		if !signers.ReadASN1Element(&one, cbasn1.SEQUENCE) || len(d.Signers) >= maxSigners {
			return malformed("signerInfos")
		}
		info, err := ParseSigner(one)
		if err != nil {
			return err
		}
		d.Signers = append(d.Signers, *info)
	}
	return nil
}

func (d *SignedData) parseContent(s cryptobyte.String) error {
	var explicit, octets cryptobyte.String
	var has bool
	if !s.ReadASN1ObjectIdentifier(&d.ContentType) || !s.ReadOptionalASN1(&explicit, &has, contextTag(0)) || !s.Empty() {
		return malformed("encapContentInfo")
	}
	if !has {
		return nil
	}
	// In PKCS #7, before CMS, the content had any type. There too the digest is over its contents
	// octets (RFC 5652 5.2.1).
	if !explicit.ReadAnyASN1(&octets, new(cbasn1.Tag)) || !explicit.Empty() {
		return malformed("eContent")
	}
	d.Content = append([]byte{}, octets...)
	return nil
}

// ParseSigner reads a SignerInfo (RFC 5652 5.3), which must be DER.
func ParseSigner(der []byte) (*SignerInfo, error) {
	info := &SignerInfo{Raw: der}
	var s cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&s, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, malformed("SignerInfo")
	}
	if !s.ReadASN1Integer(&info.Version) || !info.readIdentifier(&s) {
		return nil, malformed("signer identifier")
	}
	var ok bool
	if info.DigestAlgorithm, _, ok = readAlgorithm(&s); !ok {
		return nil, malformed("digestAlgorithm")
	}
	info.Hash = hashByOID(info.DigestAlgorithm)
	var signed, unsigned cryptobyte.String
	var has bool
	if !s.ReadOptionalASN1(&signed, &has, contextTag(0)) {
		return nil, malformed("signedAttrs")
	}
	if has {
		if err := info.readSigned(signed); err != nil {
			return nil, err
		}
	}
	var parameters cryptobyte.String
	if info.SignatureAlgorithm, parameters, ok = readAlgorithm(&s); !ok {
		return nil, malformed("signatureAlgorithm")
	}
	info.readSignatureAlgorithm(parameters)
	if !s.ReadASN1Bytes(&info.Value, cbasn1.OCTET_STRING) ||
		!s.ReadOptionalASN1(&unsigned, &info.HasUnsigned, contextTag(1)) ||
		!s.Empty() {
		return nil, malformed("signature value or unsignedAttrs")
	}
	var err error
	info.UnsignedAttributes, _, err = readAttributes(unsigned)
	return info, err
}

func (s *SignerInfo) readIdentifier(in *cryptobyte.String) bool {
	if in.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific()) {
		return in.ReadASN1Bytes(&s.SubjectKeyID, cbasn1.Tag(0).ContextSpecific())
	}
	var id, issuer cryptobyte.String
	s.SerialNumber = new(big.Int)
	if !in.ReadASN1(&id, cbasn1.SEQUENCE) || !id.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
		!id.ReadASN1Integer(s.SerialNumber) ||
		!id.Empty() {
		return false
	}
	s.RawIssuer = issuer
	return true
}

func (s *SignerInfo) readSigned(in cryptobyte.String) error {
	var err error
	if s.SignedAttributes, s.Sorted, err = readAttributes(in); err != nil {
		return err
	}
	s.RawSignedAttributes, err = build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(in) })
	})
	return err
}

// readAttributes reads Attributes and reports whether they and their values are in DER order.
func readAttributes(s cryptobyte.String) (attributes []Attribute, ordered bool, err error) {
	elements, ok := readElements(s, maxAttributes)
	if !ok {
		return nil, false, malformed("attributes")
	}
	ordered = slices.IsSortedFunc(elements, bytes.Compare)
	for _, e := range elements {
		var one, values cryptobyte.String
		var a Attribute
		in := cryptobyte.String(e)
		if !in.ReadASN1(&one, cbasn1.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&a.Type) ||
			!one.ReadASN1(&values, cbasn1.SET) ||
			!one.Empty() {
			return nil, false, malformed("attribute")
		}
		if a.Values, ok = readElements(values, maxValues); !ok {
			return nil, false, malformed("attribute %v", a.Type)
		}
		ordered = ordered && slices.IsSortedFunc(a.Values, bytes.Compare)
		attributes = append(attributes, a)
	}
	return attributes, ordered, nil
}

// readElements splits s into at most limit elements.
func readElements(s cryptobyte.String, limit int) ([][]byte, bool) {
	var elements [][]byte
	for !s.Empty() {
		var e cryptobyte.String
		if len(elements) >= limit || !s.ReadAnyASN1Element(&e, new(cbasn1.Tag)) {
			return nil, false
		}
		elements = append(elements, e)
	}
	return elements, true
}

// readAlgorithm reads an AlgorithmIdentifier. parameters is everything after the identifier.
func readAlgorithm(s *cryptobyte.String) (oid asn1.ObjectIdentifier, parameters cryptobyte.String, ok bool) {
	var body cryptobyte.String
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&oid) {
		return nil, nil, false
	}
	return oid, body, true
}

func contextTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func malformed(format string, args ...any) error {
	return fmt.Errorf("parse CMS: "+format+": %w", append(args, ErrMalformed)...)
}
