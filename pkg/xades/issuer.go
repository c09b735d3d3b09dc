package xades

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// issuerStyle is how the name of an issuer is written.
type issuerStyle string

// issuerStyles are the styles, and whether the root of the directory comes first.
var issuerStyles = map[issuerStyle]bool{
	"RFC2253":    false, // CN=CA,O=Authority,C=ES
	"ROOT_FIRST": true,  // C=ES,O=Authority,CN=CA
}

// attributeNames are the short names that every receiver must know (RFC 2253 section 2.3).
// Validators refuse others, such as S for ST.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C",
	"2.5.4.9": "STREET", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// rawAttribute is an AttributeTypeAndValue with its value as it is encoded.
type rawAttribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// issuerName returns a name (DER) as text. A name that cannot be read is empty, but then the
// certificate could not be read either.
func issuerName(der []byte, style issuerStyle) string {
	var sequence []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		return ""
	}
	names := make([]string, len(sequence))
	for i, raw := range sequence {
		var set []rawAttribute
		if _, err := asn1.UnmarshalWithParams(raw.FullBytes, &set, "set"); err != nil {
			return ""
		}
		parts := make([]string, len(set))
		for k, a := range set {
			parts[k] = attribute(a)
		}
		names[i] = strings.Join(parts, "+")
	}
	if !issuerStyles[style] {
		slices.Reverse(names)
	}
	return strings.Join(names, ",")
}

// attribute returns a type with its value. A type without a short name has its value in hexadecimal
// DER (RFC 2253 section 2.4).
func attribute(a rawAttribute) string {
	oid := a.Type.String()
	name := attributeNames[oid]
	var text string
	if _, err := asn1.Unmarshal(a.Value.FullBytes, &text); name == "" || err != nil {
		return oid + "=#" + hex.EncodeToString(a.Value.FullBytes)
	}
	// The standard library escapes the value.
	value := pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: text}}}.String()
	return fmt.Sprintf("%s=%s", name, strings.TrimPrefix(value, "CN="))
}
