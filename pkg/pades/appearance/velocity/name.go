package velocity

import (
	"crypto/x509/pkix"
	"fmt"
	"strings"
)

// keywords names the attribute types that signing certificates contain. It has those of RFC 2253,
// and further ones that identify organisations and persons (ETSI EN 319 412-2 and -3). RFC 2253
// would write the values of these further ones in hexadecimal.
var keywords = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.4":                    "SURNAME",
	"2.5.4.5":                    "SERIALNUMBER",
	"2.5.4.6":                    "C",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.9":                    "STREET",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"2.5.4.12":                   "T",
	"2.5.4.17":                   "POSTALCODE",
	"2.5.4.42":                   "GIVENNAME",
	"2.5.4.65":                   "PSEUDONYM",
	"2.5.4.97":                   "organizationIdentifier",
	"1.2.840.113549.1.9.1":       "EMAILADDRESS",
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
}

// distinguished returns a name in the form of RFC 2253, with the last attribute first.
func distinguished(n pkix.Name) string {
	if len(n.Names) == 0 {
		return n.String() // made in this process, not parsed
	}
	parts := make([]string, 0, len(n.Names))
	for i := len(n.Names) - 1; i >= 0; i-- {
		a := n.Names[i]
		key, known := keywords[a.Type.String()]
		if !known {
			key = a.Type.String()
		}
		parts = append(parts, key+"="+escape(fmt.Sprint(a.Value)))
	}
	return strings.Join(parts, ",")
}

// escape escapes a value after RFC 2253 2.4.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		first, last := i == 0, i+1 == len(s)
		if strings.ContainsRune(`,+"\<>;`, r) || first && (r == '#' || r == ' ') || last && r == ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
