package cades

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// FuzzVerify reads whatever comes. It finds panics and endless reads. What can be read has the same
// content each time, and a reason for each signature that is not valid.
func FuzzVerify(f *testing.F) {
	for _, w := range []want{{}, {level: signing.LevelLTA, packaging: signing.Detached}} {
		signed := w.mustSign(f, sample)
		f.Add(signed)
		f.Add(pemOf(signed))
		f.Add(base64Of(signed))
	}
	for _, h := range hostileFiles() {
		if len(h.file) < 1<<12 {
			f.Add(h.file)
		}
	}
	for _, path := range must(filepath.Glob("testdata/dss/*.p*7*")) {
		f.Add(must(os.ReadFile(path)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Verify(t.Context(), inMemory(file), VerifyOptions{})
		if err != nil {
			if signing.KindOf(err) == signing.KindInternal || signing.KindOf(err) == signing.KindStorage {
				t.Errorf("error = %v, want one that says what is wrong with the file", err)
			}
			return
		}
		for i := range r.Signatures {
			if s := &r.Signatures[i]; s.Verdict() != Valid && s.Reason() == "" {
				t.Errorf("signature %d is %s without a reason", i, s.Verdict())
			}
		}
		if !r.Attached {
			o := VerifyOptions{Content: inMemory(sample), Roots: pki().Roots()}
			if again, err := Verify(t.Context(), inMemory(file), o); err != nil || len(again.Signatures) != len(r.Signatures) {
				t.Errorf("with a content: %+v, %v", again, err)
			}
			return
		}
		var content bytes.Buffer
		if err := CopyContent(t.Context(), inMemory(file), &content); err != nil || int64(content.Len()) != r.ContentSize {
			t.Errorf("content of %d bytes, %v, want %d", content.Len(), err, r.ContentSize)
		}
		if r.Encoding == DER {
			m := must(readMessage(t.Context(), inMemory(file)))
			piece := io.NewSectionReader(bytes.NewReader(file), m.contentAt, m.size)
			if got := must(io.ReadAll(piece)); !bytes.Equal(got, content.Bytes()) {
				t.Error("the content is not where it should be")
			}
		}
	})
}

// FuzzCosign adds a signature to whatever it can be added to. Embed checks what it made, so an
// internal error means that it made something wrong.
func FuzzCosign(f *testing.F) {
	for _, w := range []want{{}, {level: signing.LevelLTA}, {existing: signing.Wrap}} {
		f.Add(w.mustSign(f, sample))
	}
	f.Add(opensslSign(f, pki(), sample, "DER", "-cades"))
	for _, path := range must(filepath.Glob("testdata/dss/*.p7m")) {
		f.Add(must(os.ReadFile(path)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		signed, err := want{existing: signing.Cosign}.sign(t, file)
		if err != nil {
			if kind := signing.KindOf(err); kind == signing.KindInternal || kind == signing.KindStorage {
				t.Errorf("error = %v, want one that says what is wrong with the file", err)
			}
			return
		}
		before, after := verify(t, file, nil, false), verify(t, signed, nil, false)
		if len(after.Signatures) != len(before.Signatures)+1 {
			t.Errorf("%d signatures, then %d", len(before.Signatures), len(after.Signatures))
		}
	})
}
