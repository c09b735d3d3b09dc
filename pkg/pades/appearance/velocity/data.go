package velocity

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
	"time"
)

// Data holds the values that a template may use.
type Data struct {
	Certificate *x509.Certificate // the signing certificate
	Reason      string
	Location    string
	Time        time.Time // claimed signing time, in the zone in which it prints
}

// object is a value with properties.
type object map[string]any

// value returns the text of a reference. It returns false if the reference is unknown.
func (d Data) value(ref reference) (string, bool) {
	current, known := d.root(ref.name)
	for _, p := range ref.parts {
		if !known {
			return "", false
		}
		current, known = resolve(current, p)
	}
	if !known {
		return "", false
	}
	return print(current)
}

// resolve applies one part of a reference to v. It returns false if v has no such property.
func resolve(v any, p part) (any, bool) {
	switch v := v.(type) {
	case object:
		name, getter := strings.CutPrefix(p.name, "get")
		if p.call && !getter || len(p.args) > 0 {
			return nil, false
		}
		if p.call {
			name = lowerFirst(name)
		} else {
			name = p.name
		}
		got, known := v[name]
		return got, known
	case time.Time:
		if p.name == "format" && p.call && len(p.args) > 0 {
			return formatIn(v, p.args)
		}
	}
	text, known := print(v)
	if !known || !p.call || len(p.args) > 0 {
		return nil, false
	}
	switch p.name {
	case "toString":
		return text, true
	case "toUpperCase":
		return strings.ToUpper(text), true
	case "toLowerCase":
		return strings.ToLower(text), true
	}
	return nil, false
}

func print(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case time.Time:
		return format(v, defaultPattern), true
	case object:
		text, known := v[""].(string)
		return text, known
	}
	return "", false
}

func (d Data) root(name string) (any, bool) {
	switch name {
	case "certificate":
		if d.Certificate == nil {
			return nil, false
		}
		return certificate(d.Certificate), true
	case "date":
		return d.Time, true
	case "reason":
		return d.Reason, true
	case "location":
		return d.Location, true
	case "signature":
		return object{"date": d.Time, "reason": d.Reason, "location": d.Location}, true
	}
	return nil, false
}

func certificate(c *x509.Certificate) object {
	subject, issuer := c.Subject, c.Issuer
	organization := strings.Join(subject.Organization, ", ")
	return object{
		"":                       distinguished(subject),
		"commonName":             firstOf(subject.CommonName, organization, distinguished(subject)),
		"subject":                distinguished(subject),
		"subjectDN":              distinguished(subject),
		"subjectSerialNumber":    subject.SerialNumber,
		"organization":           organization,
		"organizationalUnit":     strings.Join(subject.OrganizationalUnit, ", "),
		"organizationIdentifier": attribute(c, asn1.ObjectIdentifier{2, 5, 4, 97}),
		"country":                strings.Join(subject.Country, ", "),
		"locality":               strings.Join(subject.Locality, ", "),
		"title":                  attribute(c, asn1.ObjectIdentifier{2, 5, 4, 12}),
		"givenName":              attribute(c, asn1.ObjectIdentifier{2, 5, 4, 42}),
		"surname":                attribute(c, asn1.ObjectIdentifier{2, 5, 4, 4}),
		"email":                  email(c),
		"issuer":                 distinguished(issuer),
		"issuerDN":               distinguished(issuer),
		"issuerCommonName":       firstOf(issuer.CommonName, strings.Join(issuer.Organization, ", "), distinguished(issuer)),
		"issuerOrganization":     strings.Join(issuer.Organization, ", "),
		"serialNumber":           fmt.Sprint(c.SerialNumber),
		"serialNumberHex":        fmt.Sprintf("%X", c.SerialNumber),
		"notBefore":              c.NotBefore,
		"notAfter":               c.NotAfter,
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// attribute returns the subject's first attribute of a type.
func attribute(c *x509.Certificate, oid asn1.ObjectIdentifier) string {
	for _, a := range c.Subject.Names {
		if s, ok := a.Value.(string); ok && a.Type.Equal(oid) {
			return s
		}
	}
	return ""
}

// email returns the first address among the alternative names, or else the subject's emailAddress
// (PKCS #9).
func email(c *x509.Certificate) string {
	if len(c.EmailAddresses) > 0 {
		return c.EmailAddresses[0]
	}
	return attribute(c, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1})
}
