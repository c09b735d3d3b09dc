package certchain

import (
	"encoding/asn1"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// attribute is one attribute of a distinguished name (RFC 5280 4.1.2.4).
type attribute struct {
	oid   asn1.ObjectIdentifier
	value cryptobyte.String // the element with its tag; a slice of the bytes that were read
}

// Tags of string types for which cryptobyte has no names (X.680 8.4).
const (
	tagNumericString   = cbasn1.Tag(18)
	tagVideotexString  = cbasn1.Tag(21)
	tagGraphicString   = cbasn1.Tag(25)
	tagVisibleString   = cbasn1.Tag(26)
	tagUniversalString = cbasn1.Tag(28)
	tagBMPString       = cbasn1.Tag(30)
)

var stringTypes = map[cbasn1.Tag]string{
	cbasn1.UTF8String: "UTF8String", cbasn1.PrintableString: "PrintableString", cbasn1.T61String: "TeletexString",
	cbasn1.IA5String: "IA5String", cbasn1.GeneralString: "GeneralString", tagNumericString: "NumericString",
	tagVideotexString: "VideotexString", tagGraphicString: "GraphicString", tagVisibleString: "VisibleString",
	tagUniversalString: "UniversalString", tagBMPString: "BMPString",
}

// attributeNames are the X.520 attributes that occur in certificates.
var attributeNames = map[string]string{
	"2.5.4.3":                    "commonName",
	"2.5.4.4":                    "surname",
	"2.5.4.5":                    "serialNumber",
	"2.5.4.6":                    "countryName",
	"2.5.4.7":                    "localityName",
	"2.5.4.8":                    "stateOrProvinceName",
	"2.5.4.9":                    "streetAddress",
	"2.5.4.10":                   "organizationName",
	"2.5.4.11":                   "organizationalUnitName",
	"2.5.4.12":                   "title",
	"2.5.4.17":                   "postalCode",
	"2.5.4.42":                   "givenName",
	"2.5.4.65":                   "pseudonym",
	"2.5.4.97":                   "organizationIdentifier",
	"1.2.840.113549.1.9.1":       "emailAddress",
	"0.9.2342.19200300.100.1.25": "domainComponent",
}

func (a attribute) name() string {
	if name := attributeNames[a.oid.String()]; name != "" {
		return name
	}
	return "attribute " + a.oid.String()
}

func (a attribute) content() []byte {
	var body cryptobyte.String
	value := a.value
	_ = value.ReadAnyASN1(&body, new(cbasn1.Tag)) // eachAttribute has parsed it already
	return body
}

// eachAttribute calls visit for each attribute of a name. name is an RDNSequence with its tag.
func eachAttribute(name cryptobyte.String, visit func(attribute) error) error {
	malformed := fmt.Errorf("malformed name")
	var rdns, set, pair cryptobyte.String
	if !name.ReadASN1(&rdns, cbasn1.SEQUENCE) {
		return malformed
	}
	for !rdns.Empty() {
		if !rdns.ReadASN1(&set, cbasn1.SET) {
			return malformed
		}
		for !set.Empty() {
			var a attribute
			if !set.ReadASN1(&pair, cbasn1.SEQUENCE) || !pair.ReadASN1ObjectIdentifier(&a.oid) ||
				!pair.ReadAnyASN1Element(&a.value, new(cbasn1.Tag)) {
				return malformed
			}
			if err := visit(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// amendName changes each string of a name, in place, into one that crypto/x509 can read. A string
// of printable ASCII characters becomes a UTF8String, because that type has the same bytes. If
// crypto/x509 cannot read a string and amendName cannot change it, the error names it. field says
// where the name stands in the certificate.
func amendName(name cryptobyte.String, field string) error {
	return eachAttribute(name, func(a attribute) error {
		tag := cbasn1.Tag(a.value[0])
		content := a.content()
		switch tag {
		case cbasn1.UTF8String, cbasn1.T61String, tagBMPString:
			if tag == cbasn1.UTF8String && !utf8.Valid(content) {
				return fmt.Errorf("the %s's %s is a UTF8String that is not UTF-8", field, a.name())
			}
			return nil // crypto/x509 itself reports a BMPString that it refuses
		case tagUniversalString:
			return fmt.Errorf("the %s's %s is a UniversalString, which is not supported", field, a.name())
		}
		kind := stringTypes[tag]
		if kind == "" {
			return fmt.Errorf("the %s's %s is not a string (tag %d)", field, a.name(), tag)
		}
		for _, b := range content {
			if b < 0x20 || b > 0x7e {
				return fmt.Errorf("the %s's %s is a %s with the byte 0x%02X, which is not a printable ASCII character",
					field, a.name(), kind, b)
			}
		}
		a.value[0] = byte(cbasn1.UTF8String)
		return nil
	})
}
