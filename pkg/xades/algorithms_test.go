package xades

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// awkward is a document in which canonical forms differ: comments, an instruction outside the root,
// unused and inherited namespaces, attributes of the xml namespace, a CDATA section.
const awkward = `<?xml version="1.0"?><?style sheet?><!-- outside -->` +
	`<a xmlns="urn:a" xmlns:unused="urn:u" xml:lang="pt" z="1" b='2'>` +
	`<!-- inside --><p:b xmlns:p="urn:p" xml:space="preserve" p:c="d&#10;e">x<![CDATA[<y>]]></p:b></a>`

// TestAlgorithms signs with every algorithm. The judges verify each signature.
func TestAlgorithms(t *testing.T) {
	j := startJudges(t)
	for name, k := range testKeys() {
		signed, err := signWith(t, []byte(awkward), nil, k, &baseline)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		j.check(t, name, signed)
		checkVerdict(t, name, signed, Valid, "")
	}
}

// TestForms signs with every canonical form and every transform, at the root and inside an element
// with namespaces of its own. The judges verify each signature. The JDK does not see Canonical XML
// 1.0 after an XPath transform: with xml:lang on an element and xml:space on its child, it writes
// xml:lang at the child again. Canonical XML 1.0 section 2.4 inherits only from elements that are
// left out, and xmlsec1 does the same as we do.
func TestForms(t *testing.T) {
	j := startJudges(t)
	for _, form := range formNames {
		for _, transform := range transformNames {
			for _, location := range []string{"", "p:b"} {
				name := form.name + " " + transform + " " + location
				signed, err := sign(t, []byte(awkward), &signing.AdvancedSignature{
					SignatureTransform: transform, CanonicalTransform: form.name, SignatureLocation: location,
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if form.form.Method != xmlc14n.Inclusive10 || transform == "ENVELOPED" {
					j.check(t, name, signed)
				} else if j.xmlsec {
					j.askXMLSec(t, name, signed)
				}
				checkVerdict(t, name, signed, Valid, "")
			}
		}
	}
}

// TestProfileForms signs with profiles whose SignedInfo and SignedProperties are in inclusive
// forms, which depend on the elements around the signature.
func TestProfileForms(t *testing.T) {
	j := startJudges(t)
	for _, method := range []xmlc14n.Method{xmlc14n.Inclusive10, xmlc14n.Inclusive11} {
		p := baseline
		form := xmlc14n.Form{Method: method}
		p.Data, p.SignedInfo, p.Properties = form, form, form
		p.Digest = crypto.SHA512
		for _, location := range []string{"", "p:b"} {
			a := &signing.AdvancedSignature{SignatureLocation: location}
			signed, err := signWith(t, []byte(awkward), a, testKeys()["RSA-SHA256"], &p)
			if err != nil {
				t.Errorf("%v %s: %v", method, location, err)
				continue
			}
			if j.xmlsec {
				j.askXMLSec(t, p.SignedInfo.URI()+location, signed)
			}
			checkVerdict(t, location, signed, Valid, "")
		}
	}
}

// TestXMLValue writes ECDSA values with a fixed width and refuses everything else.
func TestXMLValue(t *testing.T) {
	der := func(r, s int64) []byte {
		return must(asn1.Marshal(struct{ R, S *big.Int }{big.NewInt(r), big.NewInt(s)}))
	}
	public := testKeys()["P-521"].key.Public()
	got, err := xmlValue(public, der(1, 0x1234))
	want := make([]byte, 132)
	want[65], want[130], want[131] = 1, 0x12, 0x34
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("xmlValue = %x, %v, want %x", got, err, want)
	}
	large := new(big.Int).Lsh(big.NewInt(1), 8*66)
	for name, bad := range map[string][]byte{
		"empty": nil, "zero": der(0, 1), "negative": der(1, -1), "behind": append(der(1, 1), 0),
		"large": must(asn1.Marshal(struct{ R, S *big.Int }{large, large})),
	} {
		if got, err := xmlValue(public, bad); err == nil {
			t.Errorf("%s: xmlValue = %x, %v, want an error", name, got, err)
		}
	}
}
