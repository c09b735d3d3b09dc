package xades

import (
	"os"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// FuzzSign signs whatever can be signed. Whatever is signed is valid, because Embed checks it.
func FuzzSign(f *testing.F) {
	for _, path := range corpusFiles(f, edges) {
		doc, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, "", "")
		f.Add(doc, "XPATH", "//a[1]")
	}
	f.Fuzz(func(t *testing.T, doc []byte, transform, location string) {
		_, err := sign(t, doc, &signing.AdvancedSignature{SignatureTransform: transform, SignatureLocation: location})
		if err != nil && signing.KindOf(err) == signing.KindInternal {
			t.Errorf("error = %v, want one that says what is wrong with the document", err)
		}
	})
}

// FuzzVerify changes signed documents. It finds panics, verdicts without a reason, and documents
// that are valid although they do not say what one of the signers signed.
func FuzzVerify(f *testing.F) {
	signed := map[string]bool{} // canonical forms, without signatures
	add := func(original, doc string) {
		signed[unsignedForm(f, original, xmlc14n.Named(dsNamespace, "Signature"))] = true
		f.Add([]byte(doc))
	}
	for _, transform := range transformNames {
		doc, err := sign(f, []byte(awkward), &signing.AdvancedSignature{SignatureTransform: transform})
		if err != nil {
			f.Fatal(err)
		}
		add(awkward, string(doc))
	}
	for _, level := range levels[1:] {
		doc, err := signLevel(f, []byte(levelDocument), level, nil, pkis()["P-256"], &baseline)
		if err != nil {
			f.Fatal(err)
		}
		add(levelDocument, string(doc))
	}
	for _, attacks := range [][]attack{wrappingAttacks(), objectAttacks(), manifestAttacks(), propertyAttacks()} {
		for _, a := range attacks {
			doc := complete(f, a.doc)
			add(doc, doc)
			if a.change != nil {
				f.Add([]byte(a.change(doc)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		all, err := Verify(t.Context(), inMemory(doc), VerifyOptions{})
		if err != nil && signing.KindOf(err) == signing.KindInternal {
			t.Errorf("error = %v, want one that says what is wrong with the document", err)
		}
		for _, s := range all {
			if s.Verdict != Valid && s.Reason == "" {
				t.Errorf("signature at %d is %s without a reason", s.Start, s.Verdict)
			}
			if s.Verdict != Valid || s.Covers != CoversDocument {
				continue
			}
			if !signed[unsignedForm(t, string(doc), xmlc14n.At(s.Start))] &&
				!signed[unsignedForm(t, string(doc), xmlc14n.Named(dsNamespace, "Signature"))] {
				t.Errorf("the signature at %d is valid, but nobody signed this document", s.Start)
			}
		}
	})
}

// unsignedForm returns the canonical form of a document without the chosen elements.
func unsignedForm(t testing.TB, doc string, omit xmlc14n.Selector) string {
	t.Helper()
	var form strings.Builder
	c := xmlc14n.New(&form, xmlc14n.Config{Form: xmlc14n.Form{Method: xmlc14n.Exclusive}, Omit: omit})
	if err := xmlc14n.Canonicalize(xmlc14n.NewTokenizer(strings.NewReader(doc)), c); err != nil {
		t.Fatal(err)
	}
	return form.String()
}
