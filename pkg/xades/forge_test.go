package xades

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Marks in a template, each of which stands for a value in base64 that complete fills in.
const (
	digestMark = "DIGEST++"
	valueMark  = "VALUE+++"
)

// parts of a template of a signature in the form of a foreign program. The Ids are S of the
// signature, V of its value, P of the signed properties and K of KeyInfo.
type parts struct {
	references string // to data
	properties string // transforms of the reference to the signed properties
	kind       string // type of that reference
	target     string
	objects    string // in front of the one with the properties
	behind     string // objects behind it
	unsigned   string // unsigned signature properties
	certDigest string // base64
	method     string // identifier
}

// templateKey made the signatures of templates.
func templateKey() *testKey { return testKeys()["P-256"] }

// reference returns a reference with transforms.
func reference(uri, attrs string, transforms ...string) string {
	var x strings.Builder
	for _, t := range transforms {
		x.WriteString(algorithm("Transform", t))
	}
	return rawReference(uri, attrs, x.String())
}

// rawReference returns a reference with the text of its transforms.
func rawReference(uri, attrs, transforms string) string {
	return `<ds:Reference ` + attrs + ` URI="` + uri + `"><ds:Transforms>` + transforms + `</ds:Transforms>` +
		algorithm("DigestMethod", digestMethods[crypto.SHA256]) + `<ds:DigestValue>` + digestMark +
		`</ds:DigestValue></ds:Reference>`
}

var exclusiveURI = xmlc14n.Form{Method: xmlc14n.Exclusive}.URI()

// signature returns a signature without digests and value.
func (p parts) signature() string {
	or := func(value, otherwise string) string {
		if value == "" {
			return otherwise
		}
		return value
	}
	cert := templateKey().credential.Certificate().Raw
	h := crypto.SHA256.New()
	h.Write(cert)
	digest := or(p.certDigest, base64.StdEncoding.EncodeToString(h.Sum(nil)))
	properties := reference("#P", `Type="`+or(p.kind, signedPropertiesType)+`"`, exclusiveURI)
	if p.kind == "none" {
		properties = reference("#P", "", exclusiveURI)
	}
	if p.properties != "" {
		properties = rawReference("#P", `Type="`+signedPropertiesType+`"`, p.properties)
	}
	return fmt.Sprintf(
		`<ds:Signature xmlns:ds="%s" Id="S"><ds:SignedInfo>%s%s%s%s</ds:SignedInfo>`+
			`<ds:SignatureValue Id="V">%s</ds:SignatureValue><ds:KeyInfo Id="K"><ds:X509Data><ds:X509Certificate>%s`+
			`</ds:X509Certificate></ds:X509Data></ds:KeyInfo>%s<ds:Object><xades:QualifyingProperties xmlns:xades="%s" `+
			`Target="%s"><xades:SignedProperties Id="P"><xades:SignedSignatureProperties><xades:SigningTime>`+
			`2026-03-04T05:06:07Z</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>%s`+
			`<ds:DigestValue>%s</ds:DigestValue></xades:CertDigest></xades:Cert></xades:SigningCertificateV2>`+
			`</xades:SignedSignatureProperties></xades:SignedProperties><xades:UnsignedProperties>`+
			`<xades:UnsignedSignatureProperties>%s</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`+
			`</xades:QualifyingProperties></ds:Object>%s</ds:Signature>`,
		dsNamespace,
		algorithm("CanonicalizationMethod", exclusiveURI),
		algorithm(
			"SignatureMethod",
			or(p.method, signatureMethods[method{templateKey().credential.Algorithm, crypto.SHA256}]),
		),
		p.references,
		properties,
		valueMark,
		base64.StdEncoding.EncodeToString(cert),
		p.objects,
		xadesNamespace,
		or(p.target, "#S"),
		algorithm("DigestMethod", digestMethods[crypto.SHA256]),
		digest,
		p.unsigned,
		p.behind,
	)
}

// complete signs the templates in a document, in their order: it fills in the digests of the
// references that are understood, and the value. Signatures of which something is not understood
// get values that are not right.
func complete(t testing.TB, doc string) string {
	t.Helper()
	for strings.Contains(doc, valueMark) {
		j := judgeOf(t, doc)
		for i := range j.references {
			digest := []byte("not known")
			if d := j.references[i].digest; d != nil {
				digest = d.hash.Sum(nil)
			}
			doc = strings.Replace(doc, digestMark, base64.StdEncoding.EncodeToString(digest), 1)
		}
		value := []byte("not known")
		if j := judgeOf(t, doc); j.signedInfo != nil {
			k := templateKey()
			value = must(xmlValue(k.key.Public(), must(k.sign(j.signedInfo.hash.Sum(nil)))))
		}
		doc = strings.Replace(doc, valueMark, base64.StdEncoding.EncodeToString(value), 1)
	}
	return doc
}

// judgeOf measures what the first signature without a value needs.
func judgeOf(t testing.TB, doc string) *judge {
	t.Helper()
	m := newMeasurer()
	var j *judge
	for range 2 {
		tokens := xmlc14n.NewTokenizer(strings.NewReader(doc))
		c := &collector{tokens: tokens}
		if err := m.pass(t.Context(), tokens, c.token); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		for _, f := range c.found {
			if f.value == valueMark && j == nil {
				j = &judge{found: f, all: c.found}
				j.plan(m)
			}
		}
	}
	if j == nil {
		t.Fatalf("no signature without a value: %s", doc)
	}
	return j
}
