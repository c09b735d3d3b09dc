package cms

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
)

// Message is a SignedData without its content (RFC 5652 5.1). The slices hold whole elements.
type Message struct {
	// Version is the lowest version that Encode writes.
	Version          int
	DigestAlgorithms [][]byte // AlgorithmIdentifier
	Content          Content
	Certificates     [][]byte // CertificateChoices
	CRLs             [][]byte // RevocationInfoChoice
	Signers          [][]byte // SignerInfo
}

// Content describes the content of a Message. The zero value is a detached content of type id-data.
type Content struct {
	Type asn1.ObjectIdentifier // nil = id-data
	// Form says whether the content is in the file.
	Form ContentForm
	Size int64 // of what the file contains, in bytes
}

// ContentForm says what of the content a file contains.
type ContentForm uint8

// The forms.
const (
	Detached ContentForm = iota // nothing
	Octets                      // the content. Encode writes the header of the OCTET STRING
	Element                     // one whole element with the content in it
)

// Encode returns the DER ContentInfo in two parts. The content, if it is in the file, belongs
// between them. So a content of any size needs no memory. Each element is written once, in DER
// order. The version is 1, or higher if an element requires it.
func (m *Message) Encode() (head, tail []byte, err error) {
	if tail, err = m.tail(); err != nil {
		return nil, nil, err
	}
	fields, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(int64(m.version()))
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(setOf(m.DigestAlgorithms)) })
	})
	if err != nil {
		return nil, nil, err
	}
	outer, err := build(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(OIDSignedData) })
	if err != nil {
		return nil, nil, err
	}
	content, err := m.Content.header()
	if err != nil {
		return nil, nil, err
	}
	inFile := m.Content.Size + int64(len(tail))
	head = prepend(fields, content)
	head = prependHeader(cbasn1.SEQUENCE, head, inFile)
	head = prependHeader(contextTag(0), head, inFile)
	head = prependHeader(cbasn1.SEQUENCE, prepend(outer, head), inFile)
	return head, tail, nil
}

// header returns the EncapsulatedContentInfo up to the content.
func (c *Content) header() ([]byte, error) {
	oid := c.Type
	if oid == nil {
		oid = OIDData
	}
	info, err := build(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
	if err != nil {
		return nil, err
	}
	var inner []byte
	switch c.Form {
	case Octets:
		inner = prependHeader(contextTag(0), prependHeader(cbasn1.OCTET_STRING, nil, c.Size), c.Size)
	case Element:
		inner = prependHeader(contextTag(0), nil, c.Size)
	}
	return prependHeader(cbasn1.SEQUENCE, append(info, inner...), c.Size), nil
}

// tail returns everything after the content.
func (m *Message) tail() ([]byte, error) {
	certificates, crls := setOf(m.Certificates), setOf(m.CRLs)
	signers := setOf(m.Signers)
	return buildSized(len(certificates)+len(crls)+len(signers)+usualSize, func(b *cryptobyte.Builder) {
		if len(certificates) > 0 {
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddBytes(certificates) })
		}
		if len(crls) > 0 {
			b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) { b.AddBytes(crls) })
		}
		b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(signers) })
	})
}

// version returns the version of SignedData (RFC 5652 5.1).
func (m *Message) version() int {
	version := max(m.Version, 1)
	if m.Content.Type != nil && !m.Content.Type.Equal(OIDData) {
		version = max(version, 3)
	}
	for _, s := range m.Signers {
		if info, err := ParseSigner(s); err == nil && info.Version >= 3 {
			version = max(version, 3)
		}
	}
	for _, c := range m.Certificates {
		switch c[0] {
		case 0xa1: // v1AttrCert
			version = max(version, 3)
		case 0xa2: // v2AttrCert
			version = max(version, 4)
		case 0xa3: // other
			version = max(version, 5)
		}
	}
	if slices.ContainsFunc(m.CRLs, func(c []byte) bool { return c[0] == tagOther }) {
		version = max(version, 5)
	}
	return version
}

// tagOther is the tag of an OtherRevocationInfoFormat (RFC 5652 10.2.1).
const tagOther = 0xa1

// OCSPChoice returns an OCSPResponse as RevocationInfoChoice (RFC 5940 2.1).
func OCSPChoice(response []byte) ([]byte, error) {
	return buildSized(len(response)+usualSize, func(b *cryptobyte.Builder) {
		b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidOCSPResponse)
			b.AddBytes(response)
		})
	})
}

// OCSPOf returns the OCSPResponse in a RevocationInfoChoice. It returns nil for any other choice.
func OCSPOf(choice []byte) []byte {
	var body cryptobyte.String
	var format asn1.ObjectIdentifier
	in := cryptobyte.String(choice)
	if !in.ReadASN1(&body, contextTag(1)) || !body.ReadASN1ObjectIdentifier(&format) || !format.Equal(oidOCSPResponse) {
		return nil
	}
	return body
}

// DigestAlgorithm returns the AlgorithmIdentifier of a hash, or nil if the hash is not written.
func DigestAlgorithm(hash crypto.Hash) []byte {
	alg, ok := writable(hash)
	if !ok {
		return nil
	}
	out, _ := build(func(b *cryptobyte.Builder) { addDigestAlgorithm(b, alg) }) // a constant
	return out
}

// setOf returns the content of a SET OF: each element once, in DER order.
func setOf(elements [][]byte) []byte {
	return bytes.Join(slices.CompactFunc(sorted(elements), bytes.Equal), nil)
}

func prepend(before, after []byte) []byte { return append(before[:len(before):len(before)], after...) }

// prependHeader returns inner with the header of an element in front, whose content is inner and
// further bytes.
func prependHeader(tag cbasn1.Tag, inner []byte, further int64) []byte {
	return append(ber.AppendHeader(nil, []byte{byte(tag)}, int64(len(inner))+further), inner...)
}
