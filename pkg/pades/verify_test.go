package pades

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signedForm returns a signed document with a text field, content, an unused object and an empty
// signature field.
func signedForm(t *testing.T) []byte {
	t.Helper()
	m := onePage("/AcroForm<</Fields[10 0 R 12 0 R]/DA(/Helv 0 Tf)>>", "/Contents 4 0 R/Annots[10 0 R 12 0 R 13 0 R]").
		with(4, "<</Length 9>>\nstream\n0 0 m f %\n\nendstream").
		with(10, "<</FT/Tx/T(amount)/V(1)/Subtype/Widget/Rect[0 0 9 9]/AP<</N 11 0 R>>>>").
		with(11, "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 0>>\nstream\n\nendstream").
		with(12, "<</FT/Sig/T(empty)/Subtype/Widget/Rect[0 0 9 9]>>").
		with(13, "<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(note)>>")
	return mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB)
}

func report(t *testing.T, file []byte, o VerifyOptions) *Report {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(file), int64(len(file)), o)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return r
}

// TestVerifyChanges appends revisions of all kinds to a signed document. The report must name and
// judge each change.
func TestVerifyChanges(t *testing.T) {
	file := signedForm(t)
	stream := func(data string) *pdf.Stream { return pdf.NewStream(pdf.NewDict(), []byte(data)) }
	for _, tt := range []struct {
		name    string
		change  func(*pdf.Update)
		valid   bool
		mention string
	}{
		{"nothing", func(u *pdf.Update) { u.Add(pdf.Text("unused")) }, true, ""},
		{"field filled in", set(t, 10, "V", pdf.Text("2")), true, "filled in"},
		{"field drawn again", func(u *pdf.Update) { u.Put(pdf.Ref{Number: 11}, stream("f")) }, true,
			"appearance of a form field"},
		{"field moved", set(t, 10, "Rect", pdf.Array{pdf.Int(5), pdf.Int(5), pdf.Int(9), pdf.Int(9)}), false, "Rect"},
		{"field of another kind", set(t, 10, "FT", pdf.Name("Btn")), false, "FT"},
		{"content", func(u *pdf.Update) { u.Put(pdf.Ref{Number: 4}, stream("1 1 m f")) }, false, "object 4"},
		{"content replaced", func(u *pdf.Update) { set(t, 3, "Contents", u.Add(stream("1 1 m f")))(u) }, false, "Contents"},
		{"page box", set(t, 3, "CropBox", pdf.Array{pdf.Int(1), pdf.Int(1), pdf.Int(9), pdf.Int(9)}), false, "CropBox"},
		{"page tree", set(t, 2, "Count", pdf.Int(2)), false, "object 2"},
		{"annotation added", func(u *pdf.Update) {
			set(t, 3, "Annots", pdf.Array{pdf.Ref{Number: 10}, pdf.Ref{Number: 12}, u.Add(pdf.NewDict())})(u)
		}, false, "annotations"},
		{"annotation removed", set(t, 3, "Annots", pdf.Array{}), false, "annotations"},
		{"annotation changed", set(t, 13, "Contents", pdf.Text("other")), false, "object 13"},
		{"catalog", set(t, 1, "OpenAction", pdf.NewDict("S", pdf.Name("JavaScript"))), false, "OpenAction"},
		{"other pages", func(u *pdf.Update) { set(t, 1, "Pages", u.Add(pdf.NewDict()))(u) }, false, "Pages"},
		{"metadata", func(u *pdf.Update) { set(t, 1, "Metadata", u.Add(stream("<x/>")))(u) }, true, "Metadata"},
		{"fields removed", set(t, 1, "AcroForm", pdf.NewDict("Fields", pdf.Array{}, "SigFlags", pdf.Int(3))), false,
			"form fields"},
		{"signed again", nil, true, "1 signature(s) added"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var changed []byte
			if tt.change == nil {
				changed = mustSign(t, &Format{}, rsaKey(), file, signing.LevelB)
			} else {
				changed = revise(t, file, tt.change)
			}
			if tt.name == "fields removed" { // the signature is not in the form any more
				if r := report(t, changed, VerifyOptions{}); r.Valid() {
					t.Errorf("report = %+v, want no valid signature", r)
				}
				return
			}
			s := report(t, changed, VerifyOptions{}).Signatures[0]
			if s.Valid() != tt.valid || s.Whole || len(s.Faults) > 0 {
				t.Errorf("valid = %v, want %v: %+v", s.Valid(), tt.valid, s)
			}
			list := s.Tampered
			if tt.valid {
				list = s.Changes
			}
			if !strings.Contains(strings.Join(list, "\n"), tt.mention) {
				t.Errorf("changes = %q, want %q among them", list, tt.mention)
			}
		})
	}
}

// TestVerifyEmptyFieldSigned tests that an empty field may be signed after the signature.
func TestVerifyEmptyFieldSigned(t *testing.T) {
	file := signedForm(t)
	in := input(t, file, signing.LevelB)
	in.Signature.Visible = &signing.VisibleSignature{
		LocationType: "SIGN_FIELD", LocationValue: "empty", TemplateType: "ONE_OFF", OneOffTemplate: "x",
	}
	p, err := (&Format{}).Prepare(context.Background(), in, rsaKey().credential)
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := (&Format{}).Embed(context.Background(), in, p, rsaKey().sign(t, p.Digest))
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, append(file, section...), VerifyOptions{})
	if len(r.Signatures) != 2 || !r.Valid() {
		t.Errorf("report = %+v, want two valid signatures", r)
	}
}

// TestVerifyFreed removes an object after the signature.
func TestVerifyFreed(t *testing.T) {
	file := signedForm(t)
	doc := openPDF(t, file)
	start := len(file)
	file = append(
		file,
		fmt.Sprintf("xref\n4 1\n0000000000 00001 f \ntrailer\n<</Size 30/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n",
			doc.StartsAt(), start)...)
	s := report(t, file, VerifyOptions{}).Signatures[0]
	if s.Valid() || !slices.Contains(s.Tampered, "object 4 was removed") {
		t.Errorf("report = %+v, want the removal", s)
	}
}

// TestVerifyBytes flips single bytes of a signed document. Each change of a covered byte makes the
// signature invalid or the file unreadable.
func TestVerifyBytes(t *testing.T) {
	file := signedForm(t)
	list, err := readSignatures(openPDF(t, file))
	if err != nil {
		t.Fatal(err)
	}
	r, err := readByteRange(openPDF(t, file), list[0].dict)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(file); at += 7 {
		if int64(at) >= r.gapStart && int64(at) < r.gapEnd {
			continue
		}
		spoilt := bytes.Clone(file)
		spoilt[at] ^= 1
		got, err := Verify(context.Background(), bytes.NewReader(spoilt), int64(len(spoilt)), VerifyOptions{})
		if err == nil && got.Valid() {
			t.Errorf("byte %d changed, and the signature is valid", at)
		}
	}
}

// TestVerifyWrapping moves the gap away from the /Contents of the signature, as signature wrapping
// does.
func TestVerifyWrapping(t *testing.T) {
	file := signedForm(t)
	doc := openPDF(t, file)
	list, err := readSignatures(doc)
	if err != nil {
		t.Fatal(err)
	}
	// The dictionary is written again behind, with the old ByteRange and contents: the bytes are still
	// right, the place is not.
	moved := revise(t, file, func(u *pdf.Update) {
		if _, err := u.EditDict(list[0].ref); err != nil {
			t.Fatal(err)
		}
	})
	s := report(t, moved, VerifyOptions{}).Signatures[0]
	if s.Valid() || len(s.Faults) == 0 {
		t.Errorf("report = %+v, want a fault", s)
	}
}

// TestVerifyCertification tests that changes after a certification are judged by its /P.
func TestVerifyCertification(t *testing.T) {
	for permission, valid := range map[int64]bool{1: false, 2: true} {
		k := rsaKey()
		original := onePage("", "").bytes()
		certified := certify(t, k, original, permission)
		if r := report(t, certified, VerifyOptions{}); !r.Valid() {
			t.Fatalf("the certification itself: %+v", r)
		}
		// Signing it again is refused with P 1 unless the certification is hidden from us: only the
		// report is asked here.
		again := signRegardless(t, k, certified)
		if r := report(t, again, VerifyOptions{}); r.Valid() != valid {
			t.Errorf("P %d, signed again: valid = %v, want %v: %+v", permission, r.Valid(), valid, r.Signatures[0])
		}
	}
}

// certify signs with a DocMDP reference, which Format itself never writes.
func certify(t *testing.T, k *testKey, original []byte, permission int64) []byte {
	t.Helper()
	return signSection(t, k, original, func(doc *pdf.Document, f *form, size int) (*preparedSection, error) {
		value := pdf.NewDict(
			"Type",
			pdf.Name("Sig"),
			"Filter",
			pdf.Name("Adobe.PPKLite"),
			"SubFilter",
			subFilterCAdES,
			"M",
			pdf.Text(date(testTime)),
			"Reference",
			pdf.Array{
				pdf.NewDict("TransformMethod", pdf.Name("DocMDP"), "TransformParams", pdf.NewDict("P", pdf.Int(permission))),
			},
		)
		return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionSignature})
	})
}

func signRegardless(t *testing.T, k *testKey, original []byte) []byte {
	t.Helper()
	return signSection(t, k, original, func(doc *pdf.Document, f *form, size int) (*preparedSection, error) {
		return signatureSection(doc, f, signing.Input{Time: testTime}, nil, size)
	})
}

// signSection signs the section that make writes, without the refusals and checks of Format.
func signSection(
	t *testing.T, k *testKey, original []byte, make func(*pdf.Document, *form, int) (*preparedSection, error),
) []byte {
	t.Helper()
	doc := openPDF(t, original)
	f, err := readForm(t.Context(), doc)
	if err != nil {
		t.Fatal(err)
	}
	h, err := make(doc, f, 4000)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256Of(original, h.head[:len(h.head)-1], h.tail[1:])
	return append(bytes.Clone(original), h.fill(signedData(t, k, digest))...)
}

func TestVerifyRoots(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	file := mustSign(t, &Format{Timestamper: a, Revocation: a}, k, onePage("", "").bytes(), signing.LevelLTA)
	roots := x509.NewCertPool()
	roots.AddCert(k.root)
	if r := report(t, file, VerifyOptions{Roots: roots}); !r.Valid() {
		t.Errorf("with the right root: %+v", r.Signatures)
	}
	stranger := newTestKey(mustRSA(t), signing.RSAPKCS1, k.credential.Hash)
	others := x509.NewCertPool()
	others.AddCert(stranger.root)
	if r := report(t, file, VerifyOptions{Roots: others}); r.Valid() ||
		!strings.Contains(fmt.Sprint(r.Signatures[0].Faults), "not trusted") {
		t.Errorf("with another root: %+v", r.Signatures)
	}
}

// TestVerifyAuthorities tests that, if roots are given, the timestamp of a signature counts only if
// its authority is trusted.
func TestVerifyAuthorities(t *testing.T) {
	k := rsaKey()
	rogue := newAuthority(t, newTestKey(mustRSA(t), signing.RSAPKCS1, k.credential.Hash))
	roots := x509.NewCertPool()
	roots.AddCert(k.root)
	for name, tt := range map[string]struct {
		authority *authority
		roots     *x509.CertPool
		level     signing.Level
		valid     bool
	}{
		"trusted":                {newAuthority(t, k), roots, signing.LevelT, true},
		"anybody":                {rogue, roots, signing.LevelT, false},
		"anybody, not judged":    {rogue, nil, signing.LevelT, true},
		"issuer is in the store": {newAuthorityWith(t, k), roots, signing.LevelLT, true},
		"issuer is nowhere": {newAuthorityWith(t, newTestKey(mustRSA(t), signing.RSAPKCS1, k.credential.Hash)), roots,
			signing.LevelT, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Format{Timestamper: tt.authority, Revocation: tt.authority}
			file := mustSign(t, f, k, onePage("", "").bytes(), tt.level)
			s := report(t, file, VerifyOptions{Roots: tt.roots}).Signatures[0]
			if s.Valid() != tt.valid || s.Stamped.IsZero() == tt.valid || (s.Level == tt.level) != tt.valid {
				t.Errorf("report = %+v, want valid = %v, and a stamp and a level only then", s, tt.valid)
			}
			if want := "its timestamp: its certificate is not trusted"; !tt.valid &&
				!strings.Contains(strings.Join(s.Faults, "\n"), want) {
				t.Errorf("faults = %q, want %q", s.Faults, want)
			}
		})
	}
}

// TestVerifyWeakTimestamp tests that a timestamp with SHA-1 does not count for the level, because
// validators do not count it.
func TestVerifyWeakTimestamp(t *testing.T) {
	k := rsaKey()
	for name, level := range map[string]signing.Level{"signature": signing.LevelT, "document": signing.LevelLTA} {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, k)
			a.handler.MisbehaveAlways(tsa.SHA1)
			file := mustSign(t, &Format{Timestamper: a, Revocation: a}, k, onePage("", "").bytes(), level)
			s := report(t, file, VerifyOptions{}).Signatures[0]
			if !s.Valid() || s.Level != signing.LevelB || !strings.Contains(strings.Join(s.Notes, "\n"), "signed with SHA-1") {
				t.Errorf("report = %+v, want valid with level %s and a note about SHA-1", s, signing.LevelB)
			}
		})
	}
}

func TestVerifyUnsigned(t *testing.T) {
	if r := report(t, onePage("", "").bytes(), VerifyOptions{}); r.Valid() || len(r.Signatures) != 0 {
		t.Errorf("report = %+v, want none", r)
	}
	_, err := Verify(context.Background(), strings.NewReader("text"), 4, VerifyOptions{})
	if signing.KindOf(err) != signing.KindNotDocument {
		t.Errorf("error = %v, want %s", err, signing.KindNotDocument)
	}
}

func TestParseDate(t *testing.T) {
	for s, want := range map[string]time.Time{
		"D:20260304050607+00'00'": testTime,
		"D:20260304060607+01'00":  testTime,
		"D:20260304003607-04'30'": testTime,
		"D:20260304050607Z":       testTime,
		"20260304050607":          testTime,
		"D:2026":                  {},
		"":                        {},
		"D:20261399050607":        {},
		"D:20260304050607+x":      testTime,
	} {
		if got := parseDate(s); !got.Equal(want) {
			t.Errorf("parseDate(%q) = %v, want %v", s, got, want)
		}
	}
}
