package cms

import (
	"bytes"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
)

// AddTimestamp adds the token as signature-time-stamp to der (ETSI EN 319 122-1 5.3) and returns
// the result. der is a SignedData with one signer, as Build made it. The token must be over the
// digest of the signature value.
func AddTimestamp(der, token []byte) ([]byte, error) {
	return AddUnsignedAttribute(der, OIDSignatureTimestamp, token)
}

// AddUnsignedAttribute adds an unsigned attribute to der, a SignedData with one signer, and returns
// the result. value is one whole element. Nothing else is changed. der must be DER. Zero padding
// after it is dropped.
func AddUnsignedAttribute(der []byte, oid asn1.ObjectIdentifier, value []byte) ([]byte, error) {
	d, err := Parse(der)
	if err != nil {
		return nil, err
	}
	s, err := d.Signer()
	if err != nil {
		return nil, err
	}
	if !d.DER {
		return nil, unsupported("add unsigned attribute: SignedData is not DER")
	}
	attributes, err := s.unsignedWith(oid, value)
	if err != nil {
		return nil, err
	}
	return replaceUnsigned(der[:d.Size], pathToSigner, attributes)
}

// AddSignerAttribute is like AddUnsignedAttribute for a single SignerInfo, which must be DER.
func AddSignerAttribute(signer []byte, oid asn1.ObjectIdentifier, value []byte) ([]byte, error) {
	s, err := ParseSigner(signer)
	if err != nil {
		return nil, err
	}
	attributes, err := s.unsignedWith(oid, value)
	if err != nil {
		return nil, err
	}
	return replaceUnsigned(signer, pathToSigner[len(pathToSigner)-1:], attributes)
}

// unsignedWith returns the unsigned attributes with a further one, as one element.
func (s *SignerInfo) unsignedWith(oid asn1.ObjectIdentifier, value []byte) ([]byte, error) {
	if one, ok := readElements(value, 1); !ok || len(one) != 1 {
		return nil, malformed("attribute value is not one element")
	}
	all := append(slices.Clip(s.UnsignedAttributes), Attribute{oid, [][]byte{value}})
	return marshalAttributes(contextTag(1), all)
}

// pathToSigner is the path from a ContentInfo to its only SignerInfo. On this path the next element
// is always the last one of its structure.
var pathToSigner = []cbasn1.Tag{cbasn1.SEQUENCE, contextTag(0), cbasn1.SEQUENCE, cbasn1.SET, cbasn1.SEQUENCE}

// replaceUnsigned replaces the unsigned attributes of the SignerInfo at the end of path by
// attributes, which is one whole element.
func replaceUnsigned(der []byte, path []cbasn1.Tag, attributes []byte) ([]byte, error) {
	var content cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&content, path[0]) {
		return nil, malformed("SignedData")
	}
	children, ok := readElements(content, maxSigners)
	if !ok || len(children) == 0 {
		return nil, malformed("SignedData")
	}
	last := len(children) - 1
	if len(path) > 1 {
		inner, err := replaceUnsigned(children[last], path[1:], attributes)
		if err != nil {
			return nil, err
		}
		children[last] = inner
	} else {
		if s := cryptobyte.String(children[last]); s.PeekASN1Tag(contextTag(1)) {
			children = children[:last]
		}
		children = append(children, attributes)
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(path[0], func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(children, nil)) })
	})
}

// CanonicalToken returns a SignedData, usually a timestamp token, in the form that another
// SignedData or /Contents may contain: DER, without padding, and without an empty set of unsigned
// attributes, which validators refuse. It changes nothing that is signed. A token that already has
// this form is returned unchanged.
func CanonicalToken(token []byte) ([]byte, error) {
	d, err := Parse(token)
	if err != nil {
		return nil, err
	}
	der, _, _, err := ber.ToDER(token)
	if err != nil {
		return nil, malformed("SignedData: %v", err)
	}
	if len(d.Signers) == 1 && d.Signers[0].HasUnsigned && len(d.Signers[0].UnsignedAttributes) == 0 {
		return replaceUnsigned(der, pathToSigner, nil)
	}
	return der, nil
}
