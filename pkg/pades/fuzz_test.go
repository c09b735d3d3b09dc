package pades

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// FuzzSign signs arbitrary input. If it is not refused, the result must start with the input, and
// Verify, which reads everything again, must find it valid.
func FuzzSign(f *testing.F) {
	for _, path := range corpusFiles(f) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 20<<10 && filepath.Dir(path) == "testdata/corpus" {
			f.Add(b)
		}
	}
	f.Add(
		onePage("/AcroForm<</Fields 8 0 R/XFA 5 0 R>>", "/Annots 7 0 R").with(
			7,
			"[]",
		).with(8, "[10 0 R]").with(10, "<</FT/Tx/T(a)>>").bytes(),
	)
	packed := onePage("", "")
	packed.packed = true
	f.Add(packed.bytes())
	k := rsaKey()
	f.Fuzz(func(t *testing.T, original []byte) {
		signed, err := trySign(t, &Format{}, k, original, signing.LevelB)
		if err != nil {
			checkRefusal(t, signing.AsError(err))
			return
		}
		r, err := Verify(context.Background(), bytes.NewReader(signed), int64(len(signed)), VerifyOptions{})
		if err != nil {
			t.Fatalf("Verify: %v", err)
		}
		for _, s := range r.Signatures {
			if s.Whole {
				if !s.Valid() || s.Level != signing.LevelB {
					t.Errorf("report = %+v, want valid at B-B", s)
				}
				return
			}
		}
		t.Error("the report knows no signature over the whole document")
	})
}

// FuzzVerify verifies arbitrary input.
func FuzzVerify(f *testing.F) {
	k := rsaKey()
	a := newAuthority(f, k)
	for _, level := range []signing.Level{signing.LevelB, signing.LevelLTA} {
		f.Add(mustSign(f, &Format{Timestamper: a, Revocation: a}, k, onePage("", "").bytes(), level))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = Verify(context.Background(), bytes.NewReader(b), int64(len(b)), VerifyOptions{})
	})
}
