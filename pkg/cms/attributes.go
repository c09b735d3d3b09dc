package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute is one attribute of a SignerInfo (RFC 5652 5.3). Values are whole DER elements.
type Attribute struct {
	Type   asn1.ObjectIdentifier
	Values [][]byte
}

// SignedAttributes returns the signed attributes for messageDigest, which was made with hash, and
// for the signing certificate. The result is the DER SET OF, tag 0x31, whose digest the key signs
// (RFC 5652 5.4). The attributes are content-type (id-data), message-digest and
// signing-certificate-v2, and the further ones. PAdES requires exactly the first three (ETSI EN 319
// 142-1 6.3), because the claimed time belongs in the signature dictionary. CAdES also requires
// signing-time (ETSI EN 319 122-1 6.3).
func SignedAttributes(
	hash crypto.Hash, messageDigest []byte, cert *x509.Certificate, further ...Attribute,
) ([]byte, error) {
	alg, ok := writable(hash)
	if !ok {
		return nil, unsupported("build signed attributes: hash %v is not supported", hash)
	}
	if len(messageDigest) != hash.Size() {
		return nil, fmt.Errorf("build signed attributes: message digest has %d bytes, want %d",
			len(messageDigest), hash.Size())
	}
	if cert == nil || len(cert.Raw) == 0 {
		return nil, fmt.Errorf("build signed attributes: no signing certificate")
	}
	essCert, err := signingCertificateV2(alg, cert)
	if err != nil {
		return nil, err
	}
	contentType, err := build(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(OIDData) })
	if err != nil {
		return nil, err
	}
	digest, err := build(func(b *cryptobyte.Builder) { b.AddASN1OctetString(messageDigest) })
	if err != nil {
		return nil, err
	}
	return marshalAttributes(cbasn1.SET, append([]Attribute{
		{OIDContentType, [][]byte{contentType}},
		{OIDMessageDigest, [][]byte{digest}},
		{OIDSigningCertificateV2, [][]byte{essCert}},
	}, further...))
}

// signingCertificateV2 returns the value of the attribute (RFC 5035 3). SHA-256 is the DER default
// of the hash algorithm and must be left out. Any other hash is written. issuerSerial is included,
// because common validators compare it if it is present.
func signingCertificateV2(alg hashAlgorithm, cert *x509.Certificate) ([]byte, error) {
	h := alg.hash.New()
	h.Write(cert.Raw)
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // certs
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ESSCertIDv2
					if alg.hash != crypto.SHA256 {
						addDigestAlgorithm(b, alg)
					}
					b.AddASN1OctetString(h.Sum(nil))
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // IssuerSerial
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // GeneralNames
							b.AddASN1(cbasn1.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
								b.AddBytes(cert.RawIssuer)
							})
						})
						b.AddASN1BigInt(cert.SerialNumber)
					})
				})
			})
		})
	})
}

// marshalAttributes writes a SET OF Attribute under tag, sorted as DER requires (X.690 11.6).
func marshalAttributes(tag cbasn1.Tag, attributes []Attribute) ([]byte, error) {
	encoded := make([][]byte, 0, len(attributes))
	for _, a := range attributes {
		if len(a.Values) == 0 {
			return nil, fmt.Errorf("build attribute %v: no value", a.Type)
		}
		one, err := build(func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(a.Type)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(sorted(a.Values), nil)) })
			})
		})
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, one)
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(sorted(encoded), nil)) })
	})
}

// sorted returns the elements of a SET OF in DER order. X.690 11.6 compares a shorter element as if
// it were padded with zeros. bytes.Compare gives the same order, because no whole element is a
// prefix of another.
func sorted(elements [][]byte) [][]byte {
	return slices.SortedFunc(slices.Values(elements), bytes.Compare)
}

func addDigestAlgorithm(b *cryptobyte.Builder, alg hashAlgorithm) {
	// Parameters are absent: RFC 5754 2.
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(alg.digest) })
}

// usualSize is enough for most structures here, such as algorithms and attributes, in bytes.
const usualSize = 256

func build(f func(b *cryptobyte.Builder)) ([]byte, error) { return buildSized(usualSize, f) }

// buildSized is like build, with a first buffer of size bytes.
func buildSized(size int, f func(b *cryptobyte.Builder)) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	f(b)
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode ASN.1: %w", err)
	}
	return out, nil
}
