package cms

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// AddTimestamp returns der, a SignedData with one signer as Build made it, with the token as signature-time-stamp (ETSI EN 319
// 122-1 5.3). The token is over the digest of the signature value.
func AddTimestamp(der, token []byte) ([]byte, error) {
	return AddUnsignedAttribute(der, OIDSignatureTimestamp, token)
}

// AddUnsignedAttribute returns der, a SignedData with one signer, with a further unsigned attribute. Nothing else is changed; der
// must be DER.
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
		return nil, fmt.Errorf("add unsigned attribute: SignedData is not DER: %w", ErrUnsupported)
	}
	attributes, err := marshalAttributes(contextTag(1), append(s.UnsignedAttributes, Attribute{oid, [][]byte{value}}))
	if err != nil {
		return nil, err
	}
	return replaceUnsigned(der[:d.Size], attributes)
}

// replaceUnsigned puts attributes, a whole element, in the place of the unsigned attributes of the last signer. The path there is
// the last element of each structure on the way, which Parse has accepted.
func replaceUnsigned(der, attributes []byte) ([]byte, error) {
	var in, rest, explicit, body cryptobyte.String = der, nil, nil, nil
	var signers, signer, oid, value cryptobyte.String
	ok := in.ReadASN1(&rest, cbasn1.SEQUENCE) && rest.ReadASN1Element(&oid, cbasn1.OBJECT_IDENTIFIER) &&
		rest.ReadASN1(&explicit, contextTag(0)) && explicit.ReadASN1(&body, cbasn1.SEQUENCE)
	var before [][]byte // the fields of SignedData before signerInfos
	for ok && !body.Empty() {
		var field cryptobyte.String
		if ok = body.ReadAnyASN1Element(&field, new(cbasn1.Tag)); ok {
			before = append(before, field)
		}
	}
	if !ok || len(before) == 0 {
		return nil, malformed("SignedData")
	}
	last := cryptobyte.String(before[len(before)-1])
	before = before[:len(before)-1]
	if !last.ReadASN1(&signers, cbasn1.SET) || !signers.ReadASN1(&signer, cbasn1.SEQUENCE) {
		return nil, malformed("signerInfos")
	}
	var fields [][]byte // of the SignerInfo, up to the value
	for !signer.Empty() {
		if !signer.ReadAnyASN1Element(&value, new(cbasn1.Tag)) {
			return nil, malformed("SignerInfo")
		}
		if v := value; !v.PeekASN1Tag(contextTag(1)) {
			fields = append(fields, v)
		}
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(oid)
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addAll(b, before)
					b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							addAll(b, fields)
							b.AddBytes(attributes)
						})
					})
				})
			})
		})
	})
}

func addAll(b *cryptobyte.Builder, elements [][]byte) {
	for _, e := range elements {
		b.AddBytes(e)
	}
}
