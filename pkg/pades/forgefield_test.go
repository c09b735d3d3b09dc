package pades

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// faceWith adds an appearance.
func faceWith(u *pdf.Update, content string) pdf.Ref {
	return u.Add(
		pdf.NewStream(pdf.NewDict("Type", pdf.Name("XObject"), "Subtype", pdf.Name("Form"), "BBox", forgedBox),
			[]byte(content)),
	)
}

// set changes an entry of a dictionary.
func set(t *testing.T, number int, key pdf.Name, value pdf.Object) func(*pdf.Update) {
	return func(u *pdf.Update) {
		t.Helper()
		d, err := u.EditDict(pdf.Ref{Number: number})
		if err != nil {
			t.Fatal(err)
		}
		d.Set(key, value)
	}
}

// signedWithEmptyField returns a signed document with an empty signature field, object 10, whose
// appearance, object 8, is empty too.
func signedWithEmptyField(t *testing.T) []byte {
	t.Helper()
	return signedContent(t, "/AcroForm<</Fields[10 0 R]>>", "/Annots[10 0 R]", map[int]string{
		10: "<</FT/Sig/T(e)/Subtype/Widget/Rect[0 0 99 99]/AP<</N 8 0 R>>>>", 8: "<</Length 0>>\nstream\n\nendstream",
	})
}

// TestVerifyForgedFields draws over a page or changes its meaning, with objects that pretend to be
// signature fields, and in locked fields.
func TestVerifyForgedFields(t *testing.T) {
	plain := signedContent(t, "", "", nil)
	join := func(entries ...pdf.Object) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			return revise(t, plain, func(u *pdf.Update) {
				putField(t, u, u.Add(pdf.NewDict(append(entries, "FT", pdf.Name("Sig"), "T", pdf.Text("x"), "Rect", forgedBox)...)))
			})
		}
	}
	field := onlySignature(t, plain).field.ref.Number
	paint := func(number int) func(*pdf.Update) {
		return func(u *pdf.Update) { set(t, number, "AP", pdf.NewDict("N", faceWith(u, "9 9 m f")))(u) }
	}
	for name, tt := range map[string]struct {
		file func(*testing.T) []byte
		want string
	}{
		"text of its own": {join("Subtype", pdf.Name("FreeText"), "Contents", pdf.Text("9"), "DA", pdf.Text("/Helv 9 Tf")),
			"annotations were added"},
		"a square": {join("Subtype", pdf.Name("Square"), "IC", pdf.Array{pdf.Int(1)}), "annotations were added"},
		"a link": {join("Subtype", pdf.Name("Link"), "A", pdf.NewDict("S", pdf.Name("URI"))),
			"annotations were added"},
		"a background": {join("Subtype", pdf.Name("Widget"), "MK", pdf.NewDict("BG", pdf.Array{pdf.Int(1)})),
			"annotations were added"},
		"an action": {join("Subtype", pdf.Name("Widget"), "AA", pdf.NewDict()), "annotations were added"},
		"somebody else's signature": {func(t *testing.T) []byte {
			return revise(t, plain, func(u *pdf.Update) {
				field := emptyFieldWith(u, "9 9 m f")
				putField(t, u, field)
				set(t, field.Number, "V", onlySignature(t, plain).ref)(u)
			})
		}, "annotations were added"},
		"an empty field with somebody else's signature": {func(t *testing.T) []byte {
			file := signedWithEmptyField(t)
			return revise(t, file, set(t, 10, "V", onlySignature(t, file).ref))
		}, "not its own"},
		"an empty field drawn again": {func(t *testing.T) []byte { return revise(t, signedWithEmptyField(t), paint(10)) },
			"an empty signature field shows"},
		"an empty field's appearance replaced": {func(t *testing.T) []byte {
			return appendRevision(t, signedWithEmptyField(t), map[int]string{8: forgedContent}, "", 0)
		}, "an empty signature field shows"},
		"a signed field drawn again": {func(t *testing.T) []byte { return revise(t, plain, paint(field)) },
			"field of a signature changed"},
		"a signed field hidden": {func(t *testing.T) []byte { return revise(t, plain, set(t, field, "F", pdf.Int(2))) },
			"field of a signature changed"},
		"a signed field's appearance replaced": {func(t *testing.T) []byte {
			file, err := signField(t, &Format{}, signedWithEmptyField(t), "e", signing.LevelB)
			if err != nil {
				t.Fatal(err)
			}
			return appendRevision(t, file, map[int]string{faceOf(t, file, 10): forgedContent}, "", 0)
		}, "changed"},
		"a page among the pages": {func(t *testing.T) []byte {
			m := onePage("", "/Contents 4 0 R").with(4, "<</Length 0>>\nstream\n\nendstream").
				with(2, "<</Type/Pages/Count 1/Kids 8 0 R/MediaBox[0 0 595 842]>>").with(8, "[3 0 R]")
			return revise(t, mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB), func(u *pdf.Update) {
				page := u.Add(pdf.NewDict("FT", pdf.Name("Sig"), "T", pdf.Text("x"), "Contents", pdf.Ref{Number: 4}))
				putField(t, u, page)
				u.Put(pdf.Ref{Number: 8}, pdf.Array{page, pdf.Ref{Number: 3}})
			})
		}, "object 8 changed"},
		"metadata that a page shows, which is hard to read": {func(t *testing.T) []byte {
			m := onePage("/Metadata 9 0 R", "").with(2, "<</Type/Pages/Count 2/Kids[3 0 R 7 0 R]/MediaBox[0 0 595 842]>>").
				with(7, "<</Type/Page/Parent 2 0 R/X/"+strings.Repeat("a", 5000)+"/Contents 9 0 R>>").with(9,
				"<</Length 0>>\nstream\n\nendstream")
			return appendRevision(t, mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB),
				map[int]string{9: forgedContent}, "", 0)
		}, "object 9 changed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := report(t, tt.file(t), VerifyOptions{})
			var tampered []string
			for _, s := range r.Signatures {
				tampered = append(tampered, s.Tampered...)
			}
			if r.Valid() || len(tampered) == 0 || !strings.Contains(strings.Join(tampered, "\n"), tt.want) {
				t.Errorf("tampered = %q, want %q", tampered, tt.want)
			}
		})
	}
}

// faceOf returns the object number of the normal appearance of a widget.
func faceOf(t *testing.T, file []byte, widget int) int {
	t.Helper()
	doc := openPDF(t, file)
	d := dictOf(t, doc, pdf.Ref{Number: widget})
	ref, ok := dictOf(t, doc, d.Get("AP")).Get("N").(pdf.Ref)
	if !ok {
		t.Fatalf("object %d has no appearance", widget)
	}
	return ref.Number
}

// TestVerifyFaceOfLaterSignature tests that the appearance of an empty field may be rewritten in
// place when the field is signed, but not later.
func TestVerifyFaceOfLaterSignature(t *testing.T) {
	signed, err := signField(t, &Format{}, signedWithEmptyField(t), "e", signing.LevelB)
	if err != nil {
		t.Fatal(err)
	}
	r := report(
		t, appendRevision(t, signed, map[int]string{8: forgedContent, faceOf(t, signed, 10): forgedContent}, "", 0),
		VerifyOptions{},
	)
	if len(r.Signatures) != 2 || !r.Signatures[0].Valid() || r.Signatures[1].Valid() {
		t.Errorf("report = %+v, want the first valid and the second not", r.Signatures)
	}
}

// TestVerifyLocks fills in a field and signs after a signature that locks fields (ISO 32000-2
// 12.8.2.4).
func TestVerifyLocks(t *testing.T) {
	for lock, valid := range map[string]struct{ filled, signed bool }{
		"/Action/All":                        {false, true},
		"/Action/Include/Fields[(amount)]":   {false, true},
		"/Action/Include/Fields[(other)]":    {true, true},
		"/Action/Exclude/Fields[(amount)]":   {true, true},
		"/Action/Exclude/Fields[(other)]":    {false, true},
		"/Action/Include/Fields[(x)]/P 1":    {false, false},
		"/Action/Include/Fields[(amount.x)]": {true, true},
	} {
		m := onePage("/AcroForm<</Fields[10 0 R 12 0 R]>>", "/Annots[10 0 R 12 0 R]").
			with(
				10, "<</FT/Tx/T(amount)/V(1)/Subtype/Widget/Rect[0 0 9 9]/AP<</N 11 0 R>>>>",
			).with(11, "<</Length 0>>\nstream\n\nendstream").
			with(12, "<</FT/Sig/T(empty)/Subtype/Widget/Rect[0 0 90 90]/P 3 0 R/Lock<<"+lock+">>>>")
		file, err := signField(t, &Format{}, m.bytes(), "empty", signing.LevelB)
		if err != nil {
			t.Fatal(err)
		}
		for name, edit := range map[string]func(*pdf.Update){
			"filled in": set(t, 10, "V", pdf.Text("9")),
			"drawn":     func(u *pdf.Update) { u.Put(pdf.Ref{Number: 11}, pdf.NewStream(pdf.NewDict(), []byte("f"))) },
		} {
			if s := report(t, revise(t, file, edit), VerifyOptions{}).Signatures[0]; s.Valid() != valid.filled {
				t.Errorf("%s: %s: valid = %v, want %v: %q", lock, name, s.Valid(), valid.filled, s.Tampered)
			}
		}
		if s := report(t, signRegardless(t, rsaKey(), file), VerifyOptions{}).Signatures[0]; s.Valid() != valid.signed {
			t.Errorf("%s: signed again: valid = %v, want %v: %q", lock, s.Valid(), valid.signed, s.Tampered)
		}
	}
}
