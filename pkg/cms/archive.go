package cms

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// HashIndex is the value of an attribute ats-hash-index-v3 (ETSI EN 319 122-1 5.5.2): digests of
// what an archive-time-stamp-v3 protects, beside the content and the signature itself.
type HashIndex struct {
	Hash         crypto.Hash // 0 if unknown
	Certificates [][]byte    // of SignedData
	CRLs         [][]byte    // of SignedData
	Attributes   [][]byte    // values of unsigned attributes
	raw          []byte
}

// NewHashIndex returns the index of all certificates and RevocationInfoChoices of a SignedData, and
// of all unsigned attributes of s. They are whole elements. hash must be one that is written.
func (s *SignerInfo) NewHashIndex(hash crypto.Hash, certificates, crls [][]byte) (*HashIndex, error) {
	alg, ok := writable(hash)
	if !ok {
		return nil, unsupported("build hash index: hash %v is not supported", hash)
	}
	index := &HashIndex{Hash: hash, Certificates: digests(hash, certificates), CRLs: digests(hash, crls)}
	attributes, err := s.unsignedValues()
	if err != nil {
		return nil, err
	}
	index.Attributes = digests(hash, attributes)
	index.raw, err = build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addDigestAlgorithm(b, alg)
			for _, list := range [][][]byte{index.Certificates, index.CRLs, index.Attributes} {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, digest := range list {
						b.AddASN1OctetString(digest)
					}
				})
			}
		})
	})
	return index, err
}

// Encode returns the index as one DER element.
func (x *HashIndex) Encode() []byte { return x.raw }

// unsignedValues returns, for each value of an unsigned attribute, the type of the attribute
// followed by the value.
func (s *SignerInfo) unsignedValues() ([][]byte, error) {
	var list [][]byte
	for _, a := range s.UnsignedAttributes {
		oid, err := build(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(a.Type) })
		if err != nil {
			return nil, err
		}
		for _, v := range a.Values {
			list = append(list, prepend(oid, v))
		}
	}
	return list, nil
}

func digests(hash crypto.Hash, elements [][]byte) [][]byte {
	list := make([][]byte, len(elements))
	for i, e := range elements {
		h := hash.New()
		h.Write(e)
		list[i] = h.Sum(nil)
	}
	return list
}

// parseHashIndex reads an ATSHashIndexV3. The hash algorithm may be missing, which means SHA-256,
// as in the older versions of the attribute.
func parseHashIndex(der []byte) (*HashIndex, error) {
	x := &HashIndex{Hash: crypto.SHA256, raw: der}
	var body, first cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, malformed("ats-hash-index-v3")
	}
	if peek := body; peek.ReadASN1(&first, cbasn1.SEQUENCE) && first.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) {
		oid, _, ok := readAlgorithm(&body)
		if !ok {
			return nil, malformed("ats-hash-index-v3")
		}
		x.Hash = hashByOID(oid)
	}
	for _, list := range []*[][]byte{&x.Certificates, &x.CRLs, &x.Attributes} {
		var part, digest cryptobyte.String
		if !body.ReadASN1(&part, cbasn1.SEQUENCE) {
			return nil, malformed("ats-hash-index-v3")
		}
		for !part.Empty() {
			if !part.ReadASN1(&digest, cbasn1.OCTET_STRING) || len(*list) >= maxCertificates {
				return nil, malformed("ats-hash-index-v3")
			}
			*list = append(*list, digest)
		}
	}
	if !body.Empty() {
		return nil, malformed("ats-hash-index-v3")
	}
	return x, nil
}

// ArchiveDigest returns the digest that an archive-time-stamp-v3 of s is over (ETSI EN 319 122-1
// 5.5.3): the content type, the digest of the content made with index.Hash, the signed part of s,
// and the index.
func (s *SignerInfo) ArchiveDigest(
	contentType asn1.ObjectIdentifier, contentDigest []byte, index *HashIndex,
) ([]byte, error) {
	oid, err := build(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(contentType) })
	if err != nil {
		return nil, err
	}
	signed, err := s.signedFields()
	if err != nil {
		return nil, err
	}
	h := index.Hash.New()
	for _, part := range [][]byte{oid, contentDigest, signed, index.raw} {
		h.Write(part)
	}
	return h.Sum(nil), nil
}

// signedFields returns the fields of s from version to signature, without the unsigned attributes.
func (s *SignerInfo) signedFields() ([]byte, error) {
	var body cryptobyte.String
	in := cryptobyte.String(s.Raw)
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) {
		return nil, malformed("SignerInfo")
	}
	const fields = 7 // with the unsigned attributes
	parts, ok := readElements(body, fields)
	if !ok || len(parts) == 0 {
		return nil, malformed("SignerInfo")
	}
	if s.HasUnsigned {
		parts = parts[:len(parts)-1]
	}
	return bytes.Join(parts, nil), nil
}

// Archived is what a valid archive-time-stamp-v3 protects.
type Archived struct {
	Timestamp    *Timestamp
	Certificates [][]byte // of SignedData, whole elements
	CRLs         [][]byte // of SignedData, whole elements
}

// VerifyArchive verifies an archive-time-stamp-v3 of a signer of d. digest returns the digest of
// the content made with a hash, or nil if it is not known. Errors wrap ErrMismatch, ErrUnsupported
// or ErrMalformed.
func (d *SignedData) VerifyArchive(
	s *SignerInfo, token []byte, digest func(crypto.Hash) []byte,
) (*Archived, error) {
	t, err := ParseTimestamp(token)
	if err != nil {
		return nil, err
	}
	signer, err := t.Signed.Signer()
	if err != nil {
		return nil, err
	}
	values := signer.Unsigned(OIDHashIndexV3)
	if len(values) != 1 {
		return nil, unsupported("verify archive timestamp: it has %d attributes ats-hash-index-v3, want 1", len(values))
	}
	index, err := parseHashIndex(values[0])
	if err != nil {
		return nil, err
	}
	if t.Hash == 0 || index.Hash == 0 {
		return nil, unsupported("verify archive timestamp: its hash algorithm is not supported")
	}
	content := digest(t.Hash)
	if content == nil {
		return nil, unsupported("verify archive timestamp: the digest of the content is not known")
	}
	if index.Hash != t.Hash {
		return nil, mismatch("verify archive timestamp: its index uses another hash algorithm")
	}
	a := &Archived{Timestamp: t}
	if err := a.match(d, s, index); err != nil {
		return nil, err
	}
	over, err := s.ArchiveDigest(d.ContentType, content, index)
	if err != nil {
		return nil, err
	}
	_, err = t.Verify(over, t.Hash)
	return a, err
}

// match finds the element that each digest of the index is of.
func (a *Archived) match(d *SignedData, s *SignerInfo, index *HashIndex) error {
	attributes, err := s.unsignedValues()
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name     string
		index    [][]byte
		elements [][]byte
		found    *[][]byte
	}{
		{"certificate", index.Certificates, d.RawCertificates, &a.Certificates},
		{"CRL or OCSP response", index.CRLs, d.CRLs, &a.CRLs},
		{"unsigned attribute", index.Attributes, attributes, new([][]byte)},
	} {
		known := digests(index.Hash, part.elements)
		for _, digest := range part.index {
			i := slices.IndexFunc(known, func(k []byte) bool { return bytes.Equal(k, digest) })
			if i < 0 {
				return mismatch("verify archive timestamp: a %s that it protects is missing", part.name)
			}
			*part.found = append(*part.found, part.elements[i])
		}
	}
	return nil
}
