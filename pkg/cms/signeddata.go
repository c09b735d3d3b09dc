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

// SignedData is what Parse read. Byte slices are copies or parts of the input's DER form; nobody
// may write to them.
type SignedData struct {
	Version          int
	DigestAlgorithms []asn1.ObjectIdentifier
	ContentType      asn1.ObjectIdentifier
	Content          []byte // nil: detached
	// RawCertificates are all certificates as they are; Certificates those of them that crypto/x509
	// can read.
	RawCertificates [][]byte
	Certificates    []*x509.Certificate
	CRLs            [][]byte // RevocationInfoChoices as they are
	Signers         []SignerInfo

	Size    int  // bytes that the structure itself takes
	Padding int  // zero bytes after it
	DER     bool // it was DER as it stood; false: lengths or strings had to be put into DER form
}

// SignerInfo is one signer's part (RFC 5652 5.3).
type SignerInfo struct {
	Version      int
	RawIssuer    []byte   // with SerialNumber, or
	SerialNumber *big.Int // nil where the signer is named by
	SubjectKeyID []byte

	Hash            crypto.Hash // digestAlgorithm; 0 = not known
	DigestAlgorithm asn1.ObjectIdentifier

	Algorithm          signing.SignatureAlgorithm // empty = not known
	SignatureAlgorithm asn1.ObjectIdentifier
	SignatureHash      crypto.Hash // bound to the signature algorithm or its parameters; else Hash
	SaltLength         int         // RSASSA-PSS: bytes

	// RawSignedAttributes is the SET OF with tag 0x31, in the order received; nil where there are no
	// signed attributes.
	RawSignedAttributes []byte
	SignedAttributes    []Attribute
	UnsignedAttributes  []Attribute
	HasUnsigned         bool // the field is there, if only empty
	Sorted              bool // the signed attributes are in DER order

	Value []byte // signature value
}

// Signer returns the only signer; ErrMalformed where there is none or more than one.
func (d *SignedData) Signer() (*SignerInfo, error) {
	if len(d.Signers) != 1 {
		return nil, malformed("SignedData has %d signers, want 1", len(d.Signers))
	}
	return &d.Signers[0], nil
}

// Certificate returns the certificate that s names, of those in the SignedData and then of others;
// nil where it is not there.
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

// Signed returns the values of a signed attribute; nil where it is not there.
func (s *SignerInfo) Signed(oid asn1.ObjectIdentifier) [][]byte { return find(s.SignedAttributes, oid) }

// Unsigned returns the values of an unsigned attribute; nil where it is not there.
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

// MessageDigest returns the value of the message-digest attribute (RFC 5652 11.2); false where
// there is not exactly one. It says what the signature is over, and is no proof: Verify checks it.
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

// CheckDigest holds content-type and message-digest of the only signer against a content with that
// digest, made with Signer().Hash. It needs no certificate and looks at no signature value: a
// signature whose certificate cannot be read is known to be wrong where the content is another one.
// ErrMismatch; nil where there are no signed attributes, and where the hash is not known.
func (d *SignedData) CheckDigest(digest []byte) error {
	s, err := d.Signer()
	if err != nil || s.Hash == 0 || s.RawSignedAttributes == nil {
		return err
	}
	return s.checkContent(d.ContentType, digest)
}
