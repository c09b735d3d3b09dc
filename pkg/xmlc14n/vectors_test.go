package xmlc14n

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// vector is a published test vector: a canonical form, or its SHA-1 digest.
type vector struct {
	name   string
	doc    string
	config Config
	want   string // file with the canonical form
	digest string // base64
}

// vectors lists the published vectors whose set of nodes consists of whole elements. omittedVectors
// lists the others.
func vectors() []vector {
	const (
		c14n    = "merlin-c14n-three/"
		exc     = "merlin-exc-c14n-one/exc-signature.xml"
		filter2 = "merlin-xpath-filter2-three/"
		second  = "xmldsig2ed-tests/"
	)
	something := Named("http://example.org/bar", "Something")
	signedInfo := Named(signatureNamespace, "SignedInfo")
	signature := Named(signatureNamespace, "Signature")
	signed := withID("", "Id", "to-be-signed")
	inclusive := Form{Method: Inclusive10}
	exclusive := Form{Method: Exclusive}
	listed := Form{Method: Exclusive, Prefixes: []string{"bar", "#default"}}
	comments := func(f Form) Form { f.Comments = true; return f }
	c11 := Form{Method: Inclusive11}
	ietf := func(local string) Selector { return Named("http://www.ietf.org", local) }
	byID := func(id string) Selector { return withID(xmlNamespace, "id", id) }
	return []vector{
		{"inclusive subtree", c14n + "signature.xml", Config{Form: inclusive, Select: something}, c14n + "c14n-0.txt", ""},
		{"exclusive subtree", c14n + "signature.xml", Config{Form: exclusive, Select: something}, c14n + "c14n-9.txt", ""},
		{
			"exclusive subtree with default namespace", c14n + "signature.xml",
			Config{Form: Form{Method: Exclusive, Prefixes: []string{"#default"}}, Select: something}, c14n + "c14n-18.txt", "",
		},
		{
			"exclusive, namespace nodes left out", c14n + "signature.xml",
			Config{Form: exclusive, Select: something}, c14n + "c14n-11.txt", "",
		},
		{
			"exclusive with list, namespace nodes left out", c14n + "signature.xml",
			Config{Form: exclusive, Select: something}, c14n + "c14n-20.txt", "",
		},
		{"SignedInfo", c14n + "signature.xml", Config{Form: inclusive, Select: signedInfo}, c14n + "c14n-27.txt", ""},

		{"exclusive object", exc, Config{Form: exclusive, Select: signed}, "", "7yOTjUu+9oEhShgyIIXDLjQ08aY="},
		{"exclusive object, prefixes", exc, Config{Form: listed, Select: signed}, "", "09xMy0RTQM1Q91demYe/0F6AGXo="},
		{
			"exclusive object, comments",
			exc,
			Config{Form: comments(exclusive), Select: signed},
			"",
			"ZQH+SkCN8c5y0feAr+aRTZDwyvY=",
		},
		{"exclusive object, both", exc, Config{Form: comments(listed), Select: signed}, "", "a1cTqBgbqpUt6bMJN4C6zFtnoyo="},

		{
			"filter SignedInfo",
			filter2 + "sign-spec.xml",
			Config{Form: inclusive, Select: signedInfo},
			filter2 + "sign-spec-c14n-2.txt",
			"",
		},
		{
			"filter subtract", filter2 + "sign-xfdl.xml", Config{Form: inclusive, Omit: xfdlSubtracted},
			filter2 + "sign-xfdl-c14n-0.txt", "xtHvgrYCYiWUtvgbaA6yx4fY4hI=",
		},

		{
			"1.1 without an element", second + "c14n11/xml-base-input.xml",
			Config{Form: c11, Omit: ietf("e2")}, "", "t7d2cL8Ink8A5i3cS9/bu9MBBU8=",
		},
		{
			"1.1 xml:base", second + "c14n11/xml-base-input.xml",
			Config{Form: c11, Select: ietf("e21")}, "", "fL7Igzs0LL7lKHJzAJIKYCphYBo=",
		},
		{
			"whole document, comments", second + "xpointer-1-SUN.xml",
			Config{Form: comments(c11), Omit: signature}, "", "/IZyGLL72rXhisXRkB617TxJrL8=",
		},
		{
			"element, comments", second + "xpointer-2-SUN.xml",
			Config{Form: comments(c11), Select: byID("e1ID")}, "", "XhSsDpWTt+ti0kcU9XYpleRDHfQ=",
		},
		{
			"same document, no comments", second + "xpointer-3-SUN.xml",
			Config{Form: c11, Omit: signature}, "", "gaV5r7qC3Ve/t641+d3ykN8JFSc=",
		},
		{
			"element, no comments", second + "xpointer-4-SUN.xml",
			Config{Form: c11, Select: byID("e1ID")}, "", "3K+K4MbR2EW7l/ry59XockKqt4g=",
		},
		{
			"enveloped element 2, comments", second + "xpointer-5-SUN.xml",
			Config{Form: comments(c11), Select: byID("e2ID")}, "", "abyA1j4yzf1IgQLWwDwKuU9l8Ik=",
		},
		{
			"enveloped element 3, comments", second + "xpointer-5-SUN.xml",
			Config{Form: comments(c11), Select: byID("e3ID")}, "", "RUUBiUeFf8uRqTlpCyutkXDqnJ4=",
		},
		{
			"enveloped element 2, no comments", second + "xpointer-6-SUN.xml",
			Config{Form: c11, Select: byID("e2ID")}, "", "hnKFjGFr/jwLCCTckZpaclOwe28=",
		},
	}
}

// withID selects the elements whose attribute has the value.
func withID(space, local, value string) Selector {
	return func(t *Token) bool {
		got, ok := t.Attr(space, local)
		return ok && string(got) == value
	}
}

// xfdlSubtracted selects what the filter of the vector sign-xfdl subtracts, and the signature.
func xfdlSubtracted(t *Token) bool {
	if t.Is(signatureNamespace, "Signature") {
		return true
	}
	sid, ok := t.Attr("", "sid")
	names := []string{"CHECK16", "CHECK17", "FIELD47", "BUTTON2", "FIELD48"}
	return t.Depth == 3 && (slices.Contains(names, string(sid)) || t.Is("", "triggeritem") && !ok)
}

// TestVectors compares canonical forms with published ones.
func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			read := func(name string) []byte {
				b, err := os.ReadFile(filepath.Join("testdata/vectors", name))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			got, err := canonical(read(v.doc), v.config)
			if err != nil {
				t.Fatal(err)
			}
			if v.want != "" {
				if want := read(v.want); !bytes.Equal(got, want) {
					t.Error(difference(got, want))
				}
			}
			sum := sha1.Sum(got)
			if digest := base64.StdEncoding.EncodeToString(sum[:]); v.digest != "" && digest != v.digest {
				t.Errorf("digest of canonical form = %s, want %s\n%s", digest, v.digest, got)
			}
		})
	}
}
