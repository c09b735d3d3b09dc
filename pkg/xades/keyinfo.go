package xades

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
)

// keyInfo returns KeyInfo with the certificate chain, the signing certificate first (ETSI EN 319
// 132-1 6.3), and with the key if the profile wants it.
func (b *blueprint) keyInfo() string {
	var x strings.Builder
	x.WriteString(keyInfoTag)
	if b.profile.signsKeyInfo() {
		x.WriteString(` Id="` + b.keyInfoID() + `"`)
	}
	x.WriteString(`><ds:X509Data>`)
	chain := b.credential.Chain
	if !b.profile.chain {
		chain = chain[:1]
	}
	for _, c := range chain {
		x.WriteString(`<ds:X509Certificate>` + wrapped(c.Raw, b.profile.lineWidth) + `</ds:X509Certificate>`)
	}
	x.WriteString(`</ds:X509Data>`)
	if b.profile.keyValue {
		x.WriteString(`<ds:KeyValue>` + b.keyValue() + `</ds:KeyValue>`)
	}
	x.WriteString(`</ds:KeyInfo>`)
	return x.String()
}

// dsig11Namespace is the namespace of the elements that XML Signature 1.1 added.
const dsig11Namespace = "http://www.w3.org/2009/xmldsig11#"

// curveOIDs are the identifiers of the curves (RFC 5480 section 2.1.1.1), by the size of a number
// in bits.
var curveOIDs = map[int]string{256: "1.2.840.10045.3.1.7", 384: "1.3.132.0.34", 521: "1.3.132.0.35"}

// keyValue returns the key (XML Signature 1.1 sections 4.5.2.2 and 4.5.2.3), or nothing for a key
// of another kind, which no credential has.
func (b *blueprint) keyValue() string {
	width := b.profile.lineWidth
	switch key := b.credential.Certificate().PublicKey.(type) {
	case *rsa.PublicKey:
		return `<ds:RSAKeyValue><ds:Modulus>` + wrapped(key.N.Bytes(), width) + `</ds:Modulus><ds:Exponent>` +
			wrapped(big.NewInt(int64(key.E)).Bytes(), 0) + `</ds:Exponent></ds:RSAKeyValue>`
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return ""
		}
		return `<dsig11:ECKeyValue xmlns:dsig11="` + dsig11Namespace + `"><dsig11:NamedCurve URI="urn:oid:` +
			curveOIDs[key.Curve.Params().BitSize] + `"/><dsig11:PublicKey>` + wrapped(point, width) +
			`</dsig11:PublicKey></dsig11:ECKeyValue>`
	}
	return ""
}

// wrapped returns base64 in lines of a width, or in one line if the width is 0.
func wrapped(raw []byte, width int) string {
	text := base64.StdEncoding.EncodeToString(raw)
	if width == 0 {
		return text
	}
	var x strings.Builder
	for len(text) > width {
		x.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return x.String() + text
}
