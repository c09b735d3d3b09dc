package xades

import (
	"os"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
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

// FuzzVerify changes signed documents. It finds panics; what it calls valid is not examined.
func FuzzVerify(f *testing.F) {
	for _, transform := range transformNames {
		signed, err := sign(f, []byte(awkward), &signing.AdvancedSignature{SignatureTransform: transform})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(signed)
	}
	for _, level := range levels[1:] {
		signed, err := signLevel(f, []byte(levelDocument), level, nil, pkis()["P-256"], &baseline)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(signed)
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
		}
	})
}
