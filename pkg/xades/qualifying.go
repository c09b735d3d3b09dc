package xades

import (
	"fmt"
	"strings"
)

// object returns the ds:Object with the qualifying properties (ETSI EN 319 132-1 4.3 and 5.2). The
// order of the elements is that of the schema.
func (b *blueprint) object() string {
	var x strings.Builder
	x.WriteString(`<ds:Object><xades:QualifyingProperties xmlns:xades="` + xadesNamespace + `" Target="#` + b.id + `">`)
	x.WriteString(propertiesTag + `Id="` + b.propertiesID() + `"><xades:SignedSignatureProperties>`)
	x.WriteString(xadesElement("SigningTime", b.time.UTC().Format(b.profile.timeLayout)))
	x.WriteString(b.signingCertificate() + b.policyXML() + b.placeXML() + b.roleXML())
	x.WriteString(`</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>`)
	x.WriteString(b.formatXML() + b.commitmentXML())
	x.WriteString(`</xades:SignedDataObjectProperties></xades:SignedProperties></xades:QualifyingProperties></ds:Object>`)
	return x.String()
}

// signingCertificate returns SigningCertificateV2 (ETSI EN 319 132-1 5.2.2), or SigningCertificate
// of the versions before it, which also names the issuer and the serial number (ETSI TS 101 903
// 7.2.2).
func (b *blueprint) signingCertificate() string {
	c := b.credential.Certificate()
	h := b.profile.Digest.New()
	h.Write(c.Raw)
	digest := `<xades:CertDigest>` + b.digestXML(h.Sum(nil)) + `</xades:CertDigest>`
	if !b.profile.version1 {
		return `<xades:SigningCertificateV2><xades:Cert>` + digest + `</xades:Cert></xades:SigningCertificateV2>`
	}
	return `<xades:SigningCertificate><xades:Cert>` + digest + `<xades:IssuerSerial><ds:X509IssuerName>` +
		escaped(issuerName(c.RawIssuer, b.profile.issuerName)) + `</ds:X509IssuerName><ds:X509SerialNumber>` +
		c.SerialNumber.String() + `</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert></xades:SigningCertificate>`
}

// policyXML returns SignaturePolicyIdentifier (ETSI EN 319 132-1 5.2.9), or nothing.
func (b *blueprint) policyXML() string {
	p := b.profile.policy
	if p == nil {
		return ""
	}
	x := `<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>` +
		identifier(p.Identifier, p.Qualifier) + xadesElement("Description", p.Description) + `</xades:SigPolicyId>` +
		`<xades:SigPolicyHash>` + algorithm("DigestMethod", p.digestURI) +
		`<ds:DigestValue>` + p.Hash + `</ds:DigestValue></xades:SigPolicyHash>`
	if p.SPURI != "" {
		x += `<xades:SigPolicyQualifiers><xades:SigPolicyQualifier>` + xadesElement("SPURI", p.SPURI) +
			`</xades:SigPolicyQualifier></xades:SigPolicyQualifiers>`
	}
	return x + `</xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>`
}

// placeXML returns SignatureProductionPlace or its second version (ETSI EN 319 132-1 5.2.5), or
// nothing.
func (b *blueprint) placeXML() string {
	l := &b.profile.productionPlace
	return b.versioned("SignatureProductionPlace",
		xadesElement("City", l.City)+xadesElement("StreetAddress", l.StreetAddress)+
			xadesElement("StateOrProvince", l.StateOrProvince)+xadesElement("PostalCode", l.PostalCode)+
			xadesElement("CountryName", l.CountryName))
}

// roleXML returns SignerRole or its second version (ETSI EN 319 132-1 5.2.6), or nothing.
func (b *blueprint) roleXML() string {
	if b.profile.role == "" {
		return ""
	}
	return b.versioned("SignerRole",
		`<xades:ClaimedRoles>`+xadesElement("ClaimedRole", b.profile.role)+`</xades:ClaimedRoles>`)
}

// versioned returns a property that has two versions. It is left out if it has no content.
func (b *blueprint) versioned(name, content string) string {
	if content == "" {
		return ""
	}
	if !b.profile.version1 {
		name += "V2"
	}
	return `<xades:` + name + `>` + content + `</xades:` + name + `>`
}

// formatXML returns DataObjectFormat (ETSI EN 319 132-1 5.2.4) of the document.
func (b *blueprint) formatXML() string {
	f := &b.profile.format
	x := `<xades:DataObjectFormat ObjectReference="#` + b.dataID() + `">` + xadesElement("Description", f.Description)
	if f.Identifier != "" {
		x += `<xades:ObjectIdentifier>` + identifier(f.Identifier, f.Qualifier) + `</xades:ObjectIdentifier>`
	}
	return x + xadesElement("MimeType", b.profile.MimeType) + xadesElement("Encoding", f.Encoding) + `</xades:DataObjectFormat>`
}

// commitmentXML returns CommitmentTypeIndication (ETSI EN 319 132-1 5.2.3) for all references, or
// nothing.
func (b *blueprint) commitmentXML() string {
	if b.profile.commitment == "" {
		return ""
	}
	return `<xades:CommitmentTypeIndication><xades:CommitmentTypeId>` + xadesElement("Identifier", b.profile.commitment) +
		`</xades:CommitmentTypeId><xades:AllSignedDataObjects/></xades:CommitmentTypeIndication>`
}

// identifier returns an Identifier (ETSI EN 319 132-1 5.1.2).
func identifier(uri, qualifier string) string {
	if qualifier == "" {
		return xadesElement("Identifier", uri)
	}
	return `<xades:Identifier Qualifier="` + qualifier + `">` + escaped(uri) + `</xades:Identifier>`
}

// xadesElement returns an element with a text, or nothing if the text is empty.
func xadesElement(name, text string) string {
	if text == "" {
		return ""
	}
	return `<xades:` + name + `>` + escaped(text) + `</xades:` + name + `>`
}

// escaped returns a text for the content of an element, in ASCII.
func escaped(text string) string {
	var x strings.Builder
	for _, r := range text {
		if r < 0x20 || r > 0x7e || r == '<' || r == '>' || r == '&' {
			fmt.Fprintf(&x, "&#x%X;", r)
			continue
		}
		x.WriteRune(r)
	}
	return x.String()
}
