package cms

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// SignedData is the result of Parse. Its byte slices are copies or parts of the DER form of the
// input. They must not be written to.
type SignedData struct {
	Version          int
	DigestAlgorithms []asn1.ObjectIdentifier
	// RawDigestAlgorithms are the whole AlgorithmIdentifiers.
	RawDigestAlgorithms [][]byte
	ContentType         asn1.ObjectIdentifier
	Content             []byte // nil if detached
	// RawCertificates are the bytes of all certificates. Certificates are those that crypto/x509 can
	// read.
	RawCertificates [][]byte
	Certificates    []*x509.Certificate
	CRLs            [][]byte // RevocationInfoChoices, not parsed
	Signers         []SignerInfo

	Size    int  // bytes of the structure itself
	Padding int  // zero bytes after it
	DER     bool // the input was DER; false if lengths or strings had to be converted
}

// SignerInfo is one signer's part (RFC 5652 5.3).
type SignerInfo struct {
	Raw          []byte // the whole element
	Version      int
	RawIssuer    []byte   // the signer is named by RawIssuer and SerialNumber,
	SerialNumber *big.Int // or by SubjectKeyID; then SerialNumber is nil
	SubjectKeyID []byte

	Hash            crypto.Hash // digestAlgorithm; 0 if unknown
	DigestAlgorithm asn1.ObjectIdentifier

	Algorithm          signing.SignatureAlgorithm // empty if unknown
	SignatureAlgorithm asn1.ObjectIdentifier
	SignatureHash      crypto.Hash // from the signature algorithm or its parameters; otherwise Hash
	SaltLength         int         // RSASSA-PSS: bytes

	// RawSignedAttributes is the SET OF with tag 0x31, in the order received. It is nil if there are
	// no signed attributes.
	RawSignedAttributes []byte
	SignedAttributes    []Attribute
	UnsignedAttributes  []Attribute
	HasUnsigned         bool // the field is present, even if it is empty
	Sorted              bool // the signed attributes are in DER order

	Value []byte // signature value
}

// Signer returns the only signer. It returns ErrMalformed if there is no signer or more than one.
func (d *SignedData) Signer() (*SignerInfo, error) {
	if len(d.Signers) != 1 {
		return nil, malformed("SignedData has %d signers, want 1", len(d.Signers))
	}
	return &d.Signers[0], nil
}

// Certificate returns the certificate that s names. It searches the SignedData first, then others.
// It returns nil if there is no such certificate.
func (d *SignedData) Certificate(s *SignerInfo, others ...*x509.Certificate) *x509.Certificate {
	for _, list := range [][]*x509.Certificate{d.Certificates, others} {
		for _, c := range list {
			if s.names(c) {
				return c
			}
		}
	}
	return nil
}

func (s *SignerInfo) names(c *x509.Certificate) bool {
	if s.SerialNumber != nil {
		return c.SerialNumber.Cmp(s.SerialNumber) == 0 && string(c.RawIssuer) == string(s.RawIssuer)
	}
	return len(s.SubjectKeyID) > 0 && string(c.SubjectKeyId) == string(s.SubjectKeyID)
}

// Signed returns the values of a signed attribute, or nil if it is missing.
func (s *SignerInfo) Signed(oid asn1.ObjectIdentifier) [][]byte { return find(s.SignedAttributes, oid) }

// Unsigned returns the values of an unsigned attribute, or nil if it is missing.
func (s *SignerInfo) Unsigned(oid asn1.ObjectIdentifier) [][]byte {
	return find(s.UnsignedAttributes, oid)
}

func find(attributes []Attribute, oid asn1.ObjectIdentifier) [][]byte {
	var values [][]byte
	for _, a := range attributes {
		if a.Type.Equal(oid) {
			values = append(values, a.Values...)
		}
	}
	return values
}

// MessageDigest returns the value of the message-digest attribute (RFC 5652 11.2). It returns false
// unless there is exactly one. The value is only a claim; Verify checks it.
func (s *SignerInfo) MessageDigest() ([]byte, bool) {
	values := s.Signed(OIDMessageDigest)
	if len(values) != 1 {
		return nil, false
	}
	var digest []byte
	in := cryptobyte.String(values[0])
	ok := in.ReadASN1Bytes(&digest, cbasn1.OCTET_STRING)
	return digest, ok
}

// CheckDigest checks content-type and message-digest of the only signer against a content whose
// digest, made with Signer().Hash, is digest. See CheckSignerDigest.
func (d *SignedData) CheckDigest(digest []byte) error {
	s, err := d.Signer()
	if err != nil {
		return err
	}
	return d.CheckSignerDigest(s, digest)
}

// CheckSignerDigest checks content-type and message-digest of a signer of d against a content whose
// digest, made with s.Hash, is digest. It needs no certificate and does not check the signature
// value. So a signature whose certificate cannot be read is still known to be wrong if the content
// differs. It returns ErrMismatch, or nil if the content matches, there are no signed attributes,
// or the hash is unknown.
func (d *SignedData) CheckSignerDigest(s *SignerInfo, digest []byte) error {
	if s.Hash == 0 || s.RawSignedAttributes == nil {
		return nil
	}
	return s.checkContent(d.ContentType, digest)
}
