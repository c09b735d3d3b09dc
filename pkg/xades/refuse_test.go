package xades

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRefused: every document that cannot be signed is refused with a kind and a reason.
func TestRefused(t *testing.T) {
	nested := strings.Repeat("<a>", 998) + "<b/>" + strings.Repeat("</a>", 998)
	var nothing signing.AdvancedSignature
	for name, c := range map[string]struct {
		doc      string
		advanced signing.AdvancedSignature
		kind     signing.Kind
		detail   string
	}{
		"empty":             {"", nothing, signing.KindNotDocument, "no root element"},
		"not XML":           {"%PDF-1.7", nothing, signing.KindNotDocument, "outside the root"},
		"DOCTYPE":           {"<!DOCTYPE a><a/>", nothing, signing.KindUnsupported, "document type"},
		"text behind":       {"<a/>b", nothing, signing.KindDamaged, "follows the root"},
		"two roots":         {"<a/><a/>", nothing, signing.KindDamaged, "second root"},
		"cut off":           {"<a><b>", nothing, signing.KindDamaged, "too early"},
		"wrong encoding":    {"<a>\xe4</a>", nothing, signing.KindDamaged, "encoding"},
		"undeclared prefix": {"<p:a/>", nothing, signing.KindDamaged, "prefix"},
		"URI with a blank":  {"<a xmlns='urn:b '/>", nothing, signing.KindUnsupported, "not a valid URI"},
		"relative URI":      {"<a xmlns='b'/>", nothing, signing.KindUnsupported, "relative"},
		"Id twice":          {"<a Id='x'><b ID='x'/></a>", nothing, signing.KindDamaged, "byte 10: the Id"},
		"second attribute":  {"<a Id='x'><b Id='y' xml:id='x'/></a>", nothing, signing.KindDamaged, "the Id"},
		"xml:id twice":      {"<a xml:id='x'><b xml:id='x'/></a>", nothing, signing.KindDamaged, "the Id"},
		"too deep":          {nested, signing.AdvancedSignature{SignatureLocation: "b"}, signing.KindTooComplex, "too deep"},
		"transform": {
			"<a/>", signing.AdvancedSignature{SignatureTransform: "XSLT"}, signing.KindInvalid, `signatureTransform "XSLT"`,
		},
		"canonicalization": {
			"<a/>", signing.AdvancedSignature{CanonicalTransform: "C14N"}, signing.KindInvalid, `canonicalTransform "C14N"`,
		},
		"location": {
			"<a/>", signing.AdvancedSignature{SignatureLocation: "/b"}, signing.KindVisible,
			`signatureLocation "/b" matches no element`,
		},
	} {
		_, err := sign(t, []byte(c.doc), &c.advanced)
		if e := signing.AsError(err); e == nil || e.Kind != c.kind || !strings.Contains(e.Detail, c.detail) {
			t.Errorf("%s: error = %v, want %s: %q", name, err, c.kind, c.detail)
		}
	}
}

// TestHarmlessIDs: attributes named id, empty Ids, and more Ids than are remembered are no reason
// to refuse a document.
func TestHarmlessIDs(t *testing.T) {
	var many strings.Builder
	for i := range maxKnownIDs + 10 {
		fmt.Fprintf(&many, "<b Id='i%d'/>", i)
	}
	for name, doc := range map[string]string{
		"id":              "<a id='x'><b id='x'/></a>",
		"empty":           "<a Id=''><b Id=''/></a>",
		"two attributes":  "<a Id='x' xml:id='x'/>",
		"other namespace": "<a xmlns:p='urn:p' p:Id='x' Id='x'/>",
		"many":            "<a>" + many.String() + "</a>",
	} {
		if _, err := sign(t, []byte(doc), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOtherLevels: levels that are unknown, or for which a source is missing, are refused before
// the document is read.
func TestOtherLevels(t *testing.T) {
	p := pkis()["P-256"]
	for _, c := range []struct {
		level  signing.Level
		format Format
		kind   signing.Kind
	}{
		{"", Format{Timestamper: p, Revocation: p}, signing.KindInvalid},
		{"B-X", Format{Timestamper: p, Revocation: p}, signing.KindInvalid},
		{signing.LevelT, Format{Revocation: p}, signing.KindTimestamp},
		{signing.LevelLT, Format{Timestamper: p}, signing.KindRevocation},
		{signing.LevelLTA, Format{Timestamper: p}, signing.KindRevocation},
	} {
		in := inputOf([]byte("<a"), nil)
		in.Signature.Level = c.level
		_, err := c.format.Prepare(t.Context(), in, testKeys()["P-256"].credential)
		if e := signing.AsError(err); e == nil || e.Kind != c.kind {
			t.Errorf("%q: error = %v, want %s", c.level, err, c.kind)
		}
	}
}

// TestCancelled: Prepare and Verify stop when the context is done.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := inputOf([]byte("<a/>"), nil)
	if _, err := (&Format{}).Prepare(ctx, in, testKeys()["P-256"].credential); !errors.Is(err, ctx.Err()) {
		t.Errorf("Prepare = %v, want %v", err, ctx.Err())
	}
	if _, err := Verify(ctx, inMemory([]byte("<a/>")), VerifyOptions{}); !errors.Is(err, ctx.Err()) {
		t.Errorf("Verify = %v, want %v", err, ctx.Err())
	}
}

// TestOtherOriginal: Embed refuses an original that is not the one that was prepared.
func TestOtherOriginal(t *testing.T) {
	k := testKeys()["P-256"]
	p, err := (&Format{}).Prepare(t.Context(), inputOf([]byte("<a>1</a>"), nil), k.credential)
	if err != nil {
		t.Fatal(err)
	}
	value, err := k.sign(p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []string{"<a>2</a>", "<a>12</a>", "<a>1</b>", "12345678"} {
		section, _, err := (&Format{}).Embed(t.Context(), inputOf([]byte(doc), nil), p, value)
		if err == nil || section != nil {
			t.Errorf("Embed into %s = %d bytes, %v, want an error", doc, len(section), err)
		}
	}
}
