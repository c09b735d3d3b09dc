package xades

import (
	"bytes"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSecondSignature signs documents that are signed already. want is the transform of the second
// signature, or empty if it is refused.
func TestSecondSignature(t *testing.T) {
	j := startJudges(t)
	for _, c := range []struct{ first, second, want string }{
		{"ENVELOPED", "", ""},
		{"ENVELOPED", "XPATH", ""},
		{"ENVELOPED", "XPATH2_FILTER", ""},
		{"XPATH", "", xpathURI},
		{"XPATH", "ENVELOPED", xpathURI},
		{"XPATH", "XPATH2_FILTER", filter2URI},
		{"XPATH2_FILTER", "", filter2URI},
		{"XPATH2_FILTER", "XPATH", xpathURI},
	} {
		name := c.first + ", then " + c.second
		first, err := sign(t, []byte(awkward), &signing.AdvancedSignature{SignatureTransform: c.first})
		if err != nil {
			t.Fatal(err)
		}
		second, err := sign(t, first, &signing.AdvancedSignature{SignatureTransform: c.second})
		if c.want == "" {
			if signing.KindOf(err) != signing.KindForbidden {
				t.Errorf("%s: error = %v, want kind %s", name, err, signing.KindForbidden)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if last := second[bytes.LastIndex(second, []byte("<ds:SignedInfo>")):]; !bytes.Contains(last, []byte(c.want)) {
			t.Errorf("%s: the second signature does not use %s", name, c.want)
		}
		all, err := Verify(t.Context(), inMemory(second), VerifyOptions{})
		if err != nil || len(all) != 2 || all[0].Verdict != Valid || all[1].Verdict != Valid || all[0].ID == all[1].ID {
			t.Errorf("%s: Verify = %+v, %v, want two valid signatures", name, all, err)
		}
		j.check(t, name, second)
	}
}

// TestEarlierReferences decides for each form of an earlier reference whether a further signature
// breaks it. The earlier signature is in <b>, the new one at the end of the root.
func TestEarlierReferences(t *testing.T) {
	const ds = `xmlns:ds="` + dsNamespace + `"`
	transforms := func(x string) string { return `<ds:Transforms>` + x + `</ds:Transforms>` }
	xpathOf := func(declare, text string) string {
		return transforms(`<ds:Transform Algorithm="` + xpathURI + `"><ds:XPath ` + declare + `>` + text +
			`</ds:XPath></ds:Transform>`)
	}
	filterOf := func(filter, text string) string {
		return transforms(`<ds:Transform Algorithm="` + filter2URI + `"><f:XPath xmlns:f="` + filter2URI +
			`" Filter="` + filter + `">` + text + `</f:XPath></ds:Transform>`)
	}
	// The XPath element is in the namespace of signatures, but ds stands for another one.
	rebound := transforms(`<ds:Transform Algorithm="` + xpathURI + `"><XPath xmlns="` + dsNamespace +
		`" xmlns:ds="urn:x">not(ancestor-or-self::ds:Signature)</XPath></ds:Transform>`)
	for name, c := range map[string]struct {
		uri, transforms string
		refused         bool
	}{
		"enveloped":              {``, transforms(algorithm("Transform", envelopedURI)), true},
		"no transform":           {``, ``, true},
		"root by Id":             {`#root`, ``, true},
		"root by other Id":       {`#assertion`, ``, true},
		"pointer to all":         {`#xpointer(/)`, ``, true},
		"other element":          {`#b`, ``, false},
		"unknown Id":             {`#elsewhere`, ``, false},
		"other document":         {`http://www.example.org/x.xml`, ``, false},
		"expression":             {``, xpathOf(``, `not(ancestor-or-self::ds:Signature)`), false},
		"expression, blanks":     {``, xpathOf(``, ` not( ancestor-or-self :: ds:Signature )&#10;`), false},
		"expression, reference":  {``, xpathOf(``, `not(ancestor-or-self&#58;:ds:Signature)`), false},
		"expression, prefix":     {``, xpathOf(`xmlns:x="`+dsNamespace+`"`, `not(ancestor-or-self::x:Signature)`), false},
		"expression, rebound":    {``, rebound, true},
		"expression, unbound":    {``, xpathOf(``, `not(ancestor-or-self::y:Signature)`), true},
		"expression, no prefix":  {``, xpathOf(``, `not(ancestor-or-self::Signature)`), true},
		"expression, other":      {``, xpathOf(``, `not(ancestor-or-self::ds:Signature[@Id])`), true},
		"expression, long":       {``, xpathOf(``, strings.Repeat(" ", 5000)+`not(ancestor-or-self::ds:Signature)`), true},
		"filter":                 {``, filterOf("subtract", `/descendant::ds:Signature`), false},
		"filter, short":          {``, filterOf("subtract", ` //ds:Signature `), false},
		"filter, intersect":      {``, filterOf("intersect", `/descendant::ds:Signature`), true},
		"filter, other":          {``, filterOf("subtract", `/descendant::ds:Object`), true},
		"expression as a filter": {``, filterOf("subtract", `not(ancestor-or-self::ds:Signature)`), true},
	} {
		doc := `<a Id="root" AssertionID="assertion"><b Id="b"><ds:Signature ` + ds + `><ds:SignedInfo><ds:Reference URI="` +
			c.uri + `">` + c.transforms + `</ds:Reference></ds:SignedInfo></ds:Signature></b></a>`
		_, err := sign(t, []byte(doc), nil)
		switch {
		case c.refused && signing.KindOf(err) != signing.KindForbidden:
			t.Errorf("%s: error = %v, want kind %s", name, err, signing.KindForbidden)
		case !c.refused && err != nil:
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInsideSignature: a signature is not put into another signature.
func TestInsideSignature(t *testing.T) {
	const signature = `<Signature xmlns="` + dsNamespace + `"><Object><x/><y>z</y></Object></Signature>`
	for location, doc := range map[string]string{
		"/a/Signature": `<a><Signature xmlns="` + dsNamespace + `">x</Signature></a>`,
		"":             signature, "x": "<a>" + signature + "</a>", "y": "<a>" + signature + "</a>",
		"Signature": "<a>" + signature + "</a>", "Object": "<a>" + signature + "</a>",
	} {
		_, err := sign(t, []byte(doc), &signing.AdvancedSignature{SignatureLocation: location})
		if signing.KindOf(err) != signing.KindForbidden {
			t.Errorf("%q: error = %v, want kind %s", location, err, signing.KindForbidden)
		}
	}
}

// TestTooManyReferences: the references of earlier signatures are bounded.
func TestTooManyReferences(t *testing.T) {
	doc := `<a><b><Signature xmlns="` + dsNamespace + `">` +
		strings.Repeat(`<Reference URI="#x"/>`, maxReferences+1) + `</Signature></b></a>`
	if _, err := sign(t, []byte(doc), nil); signing.KindOf(err) != signing.KindTooComplex {
		t.Errorf("error = %v, want kind %s", err, signing.KindTooComplex)
	}
}
