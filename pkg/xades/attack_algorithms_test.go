package xades

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

// transformed returns an invoice whose reference has the text of a transform.
func transformed(transform string) string {
	return invoiceWith(parts{references: rawReference("", "", transform)}.signature())
}

// withXPath returns a transform with an expression.
func withXPath(attrs, expression string) string {
	return `<ds:Transform Algorithm="` + xpathURI + `"><ds:XPath ` + attrs + `>` + expression + `</ds:XPath></ds:Transform>`
}

func withFilter(filter, expression string) string {
	return `<ds:Transform Algorithm="` + filter2URI + `"><f:XPath xmlns:f="` + filter2URI + `" Filter="` + filter + `">` +
		expression + `</f:XPath></ds:Transform>`
}

// algorithmAttacks are about algorithms that are weak, select nothing, or are not known.
func algorithmAttacks() []attack {
	const (
		transforms = "cannot be judged: the transforms of reference 1 are not supported"
		methods    = "cannot be judged: the signature method is not supported"
		digests    = "cannot be judged: the digest method of reference 1 is not supported"
	)
	canonical := algorithm("Transform", exclusiveURI)
	var all []attack
	for name, transform := range map[string]string{
		"nothing":                 withXPath("", "false()"),
		"only text":               withXPath("", "self::text()"),
		"without amounts":         withXPath("", "not(ancestor-or-self::amount)"),
		"signature and more":      withXPath("", "not(ancestor-or-self::ds:Signature) and not(self::text())"),
		"signature of others":     withXPath(`xmlns:ds="urn:x"`, "not(ancestor-or-self::ds:Signature)"),
		"unbound":                 withXPath("", "not(ancestor-or-self::Signature)"),
		"two expressions":         strings.Replace(withXPath("", "true()"), "</ds:Transform>", `<ds:XPath>1</ds:XPath></ds:Transform>`, 1),
		"filter to nothing":       withFilter("intersect", "/nothing"),
		"filter away the root":    withFilter("subtract", "/inv"),
		"filter union":            withFilter("union", "/descendant::ds:Signature"),
		"filter intersect":        withFilter("intersect", "/descendant::ds:Signature"),
		"filter by local name":    withFilter("subtract", "//*[local-name()='Signature']"),
		"stylesheet":              `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><x/></ds:Transform>`,
		"base64 of the document":  algorithm("Transform", base64URI),
		"canonical, then XPath":   canonical + withXPath("", "not(ancestor-or-self::ds:Signature)"),
		"canonical twice":         canonical + canonical,
		"unknown":                 algorithm("Transform", "urn:x"),
		"unknown child":           `<ds:Transform Algorithm="` + envelopedURI + `"><x xmlns="urn:x"/></ds:Transform>`,
		"XPath in canonical form": `<ds:Transform Algorithm="` + exclusiveURI + `"><ds:XPath>1</ds:XPath></ds:Transform>`,
	} {
		all = append(all, attack{name, transformed(transform), nil, transforms})
	}
	for _, uri := range []string{
		"http://www.w3.org/2000/09/xmldsig#hmac-sha1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
		"http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
		"http://www.w3.org/2001/04/xmldsig-more#rsa-md5", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", "none",
	} {
		all = append(
			all,
			attack{uri, invoiceWith(parts{references: wholeDocument.references, method: uri}.signature()), nil,
				methods},
		)
	}
	digested := func(uri string) string {
		return strings.Replace(wholeDocument.references, `"http://www.w3.org/2001/04/xmlenc#sha256"`, `"`+uri+`"`, 1)
	}
	for _, uri := range []string{
		sha1URI, "http://www.w3.org/2001/04/xmldsig-more#md5", "http://www.w3.org/2001/04/xmlenc#ripemd160", "",
	} {
		all = append(
			all,
			attack{"digest " + uri, invoiceWith(parts{references: digested(uri)}.signature()), nil, digests},
		)
	}
	parameter := strings.Replace(
		wholeDocument.references,
		`sha256"/>`,
		`sha256"><x xmlns="urn:x"/></ds:DigestMethod>`,
		1,
	)
	whole := invoiceWith(wholeDocument.signature())
	return append(all,
		attack{"parameter of the digest", invoiceWith(parts{references: parameter}.signature()), nil, digests},
		attack{"empty digest", whole, replaceFirst(`(<ds:Reference  URI=.*?<ds:DigestValue>)[^<]*`, "$1"),
			"not valid: the digest of reference 1 is wrong"},
		attack{"cut digest", whole, replaceFirst(`(<ds:Reference  URI=.*?<ds:DigestValue>....)[^<]*`, "$1"),
			"not valid: the digest of reference 1 is wrong"},
		attack{"empty value", whole, replaceFirst(`(<ds:SignatureValue Id="V">)[^<]*`, "$1"),
			"not valid: the signature value is wrong"},
		attack{"zero value", whole, replaceFirst(`(<ds:SignatureValue Id="V">)[^<]*`,
			"${1}"+base64.StdEncoding.EncodeToString(make([]byte, 64))), "not valid: the signature value is wrong"},
		attack{"comment in a digest", whole, replace("<ds:DigestValue>", "<ds:DigestValue><!-- x -->"), "valid: "},
		attack{"comment in SignedInfo", whole, replace("<ds:SignedInfo>", "<ds:SignedInfo><!-- <x/> -->"), "valid: "},
		attack{"comment in an amount", whole, replace("<amount>1", "<amount><!-- 9 -->1"), "valid: "},
		attack{"instruction in SignedInfo", whole, replace("<ds:SignedInfo>", "<ds:SignedInfo><?x?>"), "not valid: "},
		attack{"element in a digest", whole, replace("<ds:DigestValue>", "<ds:DigestValue>AAAA<x/>"),
			"not valid: SignedInfo has an element that does not belong there"},
		attack{"signature in SignedInfo", whole, replace("<ds:SignatureMethod", "<x><y/></x><ds:SignatureMethod"),
			"not valid: SignedInfo has an element that does not belong there"},
	)
}

// certificateAttacks are about KeyInfo, which the signature does not sign.
func certificateAttacks() []attack {
	whole := invoiceWith(wholeDocument.signature())
	other := base64.StdEncoding.EncodeToString(testKeys()["P-384"].credential.Certificate().Raw)
	own := base64.StdEncoding.EncodeToString(templateKey().credential.Certificate().Raw)
	const noProperty = "cannot be judged: it has no SigningCertificate property"
	plain := replaceFirst(`<ds:Object>.*</ds:Object>`, "")(whole)
	plain = replaceFirst(`<ds:Reference Type=.*</ds:Reference>`, "")(plain)
	return []attack{
		{"other certificate", whole, replace(own, other), "not valid: no certificate in it is the one"},
		{"other certificate in front", whole, replace("<ds:X509Certificate>",
			"<ds:X509Certificate>"+other+"</ds:X509Certificate><ds:X509Certificate>"), "valid: "},
		{"no KeyInfo", whole, replaceFirst(`<ds:KeyInfo.*</ds:KeyInfo>`, ""),
			"cannot be judged: it does not contain the signing certificate"},
		{"certificate elsewhere", invoiceWith(parts{
			references: wholeDocument.references,
			unsigned: `<xades:CertificateValues><xades:EncapsulatedX509Certificate>` +
				own + `</xades:EncapsulatedX509Certificate></xades:CertificateValues>`,
		}.signature()), replaceFirst(`<ds:KeyInfo.*</ds:KeyInfo>`, ""), "valid: "},
		{"XML Signature", plain, nil, noProperty},
		{"XML Signature, changed", plain, replace("<amount>1", "<amount>9"), "not valid: the digest of reference 1"},
		{
			"XML Signature, other certificate",
			plain,
			replace(own, other),
			"not valid: the signature value is wrong for each",
		},
		{"XML Signature, other value", plain, replaceFirst(`(<ds:SignatureValue Id="V">)....`, "${1}AAAA"),
			"not valid: the signature value is wrong for each certificate in it"},
		{"XML Signature, no KeyInfo", plain, replaceFirst(`<ds:KeyInfo.*</ds:KeyInfo>`, ""), noProperty},
	}
}

// TestCountersignatures judges signatures of signatures.
func TestCountersignatures(t *testing.T) {
	counter := func(transforms ...string) string {
		p := parts{
			references: reference("#V", `Type="http://uri.etsi.org/01903#CountersignedSignature"`, transforms...),
		}
		x := strings.NewReplacer(`"S"`, `"S2"`, `"#S"`, `"#S2"`, `Id="V"`, `Id="V2"`, `"P"`, `"P2"`, `"#P"`, `"#P2"`,
			`"K"`, `"K2"`).Replace(p.signature())
		return `<xades:CounterSignature>` + x + `</xades:CounterSignature>`
	}
	const (
		outerDigest = "not valid signature: the digest of reference 1"
		leftOut     = "cannot be judged signature: reference 1 leaves out what it names"
		elsewhere   = "cannot be judged : reference 1 names another part"
	)
	intact := counter(exclusiveURI)
	filtered := strings.Replace(intact, algorithm("Transform", exclusiveURI), transformXML[filter2], 1)
	nothing, otherValue := replace("", ""), replaceFirst(`(<ds:SignatureValue Id="V">)....`, "${1}AAAA")
	for name, c := range map[string]struct {
		unsigned string
		change   change
		want     string
	}{
		"untouched":         {intact, nothing, "valid signature: "},
		"enveloped":         {counter(envelopedURI, exclusiveURI), nothing, "valid signature: "},
		"value changed":     {intact, otherValue, outerDigest},
		"left out":          {filtered, nothing, leftOut},
		"of another":        {strings.ReplaceAll(intact, "#V", "#K"), nothing, elsewhere},
		"moved to the root": {intact, moveCounter, elsewhere},
	} {
		p := wholeDocument
		p.unsigned = c.unsigned
		doc := c.change(complete(t, invoiceWith(p.signature())))
		all, err := Verify(t.Context(), inMemory([]byte(doc)), VerifyOptions{})
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: Verify = %d signatures, %v, want two", name, len(all), err)
		}
		s := all[1]
		if got := string(s.Verdict) + " " + string(s.Covers) + ": " + s.Reason; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if valid := name != "value changed" && name != "moved to the root"; (all[0].Verdict == Valid) != valid {
			t.Errorf("%s: the first signature is %s: %s", name, all[0].Verdict, all[0].Reason)
		}
	}
}

// moveCounter moves a countersignature behind the signature that it countersigns.
func moveCounter(doc string) string {
	start := strings.Index(doc, "<xades:CounterSignature>")
	end := strings.Index(doc, "</xades:CounterSignature>") + len("</xades:CounterSignature>")
	counter := doc[start:end]
	inner := strings.TrimSuffix(strings.TrimPrefix(counter, "<xades:CounterSignature>"), "</xades:CounterSignature>")
	return strings.Replace(doc[:start]+doc[end:], "</inv>", inner+"</inv>", 1)
}

// TestValueForms: a value of ECDSA that is right but in another form is not called wrong.
func TestValueForms(t *testing.T) {
	doc := complete(t, invoiceWith(wholeDocument.signature()))
	start := strings.Index(doc, `Id="V">`) + len(`Id="V">`)
	text := doc[start : start+strings.Index(doc[start:], "<")]
	raw := must(base64.StdEncoding.DecodeString(text))
	wide := slices.Concat([]byte{0, 0}, raw[:32], []byte{0, 0}, raw[32:])
	for name, c := range map[string]struct {
		value []byte
		want  Verdict
		says  string
	}{
		"as prescribed": {raw, Valid, ""},
		"wide":          {wide, Undetermined, "not in the form of XML Signature"},
		"cut":           {raw[:63], Invalid, "value is wrong"},
		"swapped":       {slices.Concat(raw[32:], raw[:32]), Invalid, "value is wrong"},
	} {
		changed := strings.Replace(doc, text, base64.StdEncoding.EncodeToString(c.value), 1)
		checkVerdict(t, name, []byte(changed), c.want, c.says)
	}
}
