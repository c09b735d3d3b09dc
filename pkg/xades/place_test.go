package xades

import (
	"bytes"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// marked returns where the signature stands in a signed document: the document with ^ in its place.
func marked(signed []byte) string {
	before, rest, _ := bytes.Cut(signed, []byte("<ds:Signature "))
	_, after, _ := bytes.Cut(rest, []byte("</ds:Signature>"))
	return string(before) + "^" + string(after)
}

// TestPlaces signs at the place that the request names. A result that starts with ! is the error.
func TestPlaces(t *testing.T) {
	const doc = `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`
	const (
		none    = "matches no element"
		several = "matches 5 elements"
		syntax  = "is not an element name or a path"
	)
	for location, want := range map[string]string{
		"":                        `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d>^</a>`,
		"a":                       `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d>^</a>`,
		"/a":                      `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d>^</a>`,
		"c":                       `<a><b/><c>x<b> </b>^</c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`,
		" /a/c ":                  `<a><b/><c>x<b> </b>^</c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`,
		"/a/b":                    `<a><b>^</b><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`,
		"c/b":                     `<a><b/><c>x<b> ^</b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`,
		"//c//b":                  `<a><b/><c>x<b> ^</b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b></p:d></a>`,
		"p:d":                     `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b>^</p:d></a>`,
		"d":                       `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/></b>^</p:d></a>`,
		"/a/p:d/b[1]":             `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y^</b><b><b/></b></p:d></a>`,
		"p:d/b[ 2 ]":              `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/>^</b></p:d></a>`,
		"//b[2]":                  `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b/>^</b></p:d></a>`,
		"//b/b":                   `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b>^</b></b></p:d></a>`,
		"//b[2]//b[1]":            `<a><b/><c>x<b> </b></c><p:d xmlns:p="urn:p"><b>y</b><b><b>^</b></b></p:d></a>`,
		"b":                       "!" + several,
		"//b":                     "!" + several,
		"/b":                      "!" + none,
		"q:d":                     "!" + none,
		"/a/p:d/b[3]":             "!" + none,
		"//b[2]/b[2]":             "!" + none,
		"/":                       "!" + syntax,
		"//":                      "!" + syntax,
		"a/":                      "!" + syntax,
		"a///b":                   "!" + syntax,
		"a[0]":                    "!" + syntax,
		"a[x]":                    "!" + syntax,
		"a[1":                     "!" + syntax,
		"a[1]x":                   "!" + syntax,
		"a[1][1]":                 "!" + syntax,
		"a:b:c":                   "!" + syntax,
		":a":                      "!" + syntax,
		"a:":                      "!" + syntax,
		"a b":                     "!" + syntax,
		"a/@b":                    "!" + syntax,
		"//*":                     "!" + syntax,
		"a/..":                    "!" + syntax,
		"text()":                  "!" + syntax,
		"1a":                      "!" + syntax,
		"a\xff":                   "!" + syntax,
		"a[4294967296]":           "!" + syntax,
		strings.Repeat("/a", 33):  "!" + syntax,
		strings.Repeat("a", 5000): "!longer than 4096 bytes",
	} {
		signed, err := sign(t, []byte(doc), &signing.AdvancedSignature{SignatureLocation: location})
		reason, refused := strings.CutPrefix(want, "!")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), reason)):
			t.Errorf("%.40q: error = %v, want %q", location, err, reason)
		case refused:
			kind := signing.KindVisible
			if reason != none && reason != several {
				kind = signing.KindInvalid
			}
			if signing.KindOf(err) != kind {
				t.Errorf("%.40q: kind = %v, want %v", location, signing.KindOf(err), kind)
			}
		case err != nil:
			t.Errorf("%q: %v", location, err)
		case marked(signed) != want:
			t.Errorf("%q: got  %s\nwant %s", location, marked(signed), want)
		}
	}
}

// TestEmptyElements: an element written <a/> gets a start tag and an end tag, in every encoding.
func TestEmptyElements(t *testing.T) {
	j := startJudges(t)
	for name, doc := range map[string][]byte{
		"root":            []byte(`<a/>`),
		"blanks":          []byte("<a\n b = \"c\"\t/>"),
		"behind":          []byte(`<?xml version="1.0"?><p:a xmlns:p="urn:p" /><!-- x -->` + "\n"),
		"UTF-16":          utf16(`<?xml version="1.0" encoding="UTF-16"?><ä />`),
		"Latin 1":         []byte("<?xml version='1.0' encoding='ISO-8859-1'?><\xe4\xe4/>"),
		"Latin 2":         []byte("<?xml version='1.0' encoding='ISO-8859-2'?><\xe8\xe8/>"),
		"Cyrillic":        []byte("<?xml version='1.0' encoding='windows-1251'?><\xe8>\xc0</\xe8>"),
		"leaf in UTF-16":  utf16(`<?xml version="1.0" encoding="UTF-16"?><ä>ä</ä>`),
		"leaf in Latin 1": []byte("<?xml version='1.0' encoding='ISO-8859-1'?><\xe4>\xe4</\xe4>"),
	} {
		signed, err := sign(t, doc, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		j.check(t, name, signed)
	}
}

// utf16 returns text in UTF-16, little endian, with a byte order mark. The text has only characters
// below U+0100.
func utf16(text string) []byte {
	b := []byte{0xFF, 0xFE}
	for _, r := range text {
		b = append(b, byte(r), 0)
	}
	return b
}

// TestUBLPlace: without a location, a UBL document is signed in its SignatureInformation if it has
// exactly one.
func TestUBLPlace(t *testing.T) {
	const head = `<Invoice xmlns:ext="` + ublExtensions + `" xmlns:sac="` + ublSignature + `">`
	const information = `<sac:SignatureInformation><id/></sac:SignatureInformation>`
	const start, end = `<ext:UBLExtensions>`, `</ext:UBLExtensions>`
	for doc, want := range map[string]string{
		start + `<x>` + information + `</x>` + end + `</Invoice>`: start + `<x><sac:SignatureInformation><id/>^` +
			`</sac:SignatureInformation></x>` + end + `</Invoice>`,
		start + information + information + end + `</Invoice>`: start + information + information + end + `^</Invoice>`,
		information + `</Invoice>`:                             information + `^</Invoice>`,
	} {
		signed, err := sign(t, []byte(head+doc), nil)
		if err != nil || marked(signed) != head+want {
			t.Errorf("%s: got %s, %v, want %s", doc, marked(signed), err, want)
		}
	}
}
