package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestForms signs documents with the form and the annotations in every allowed place, twice, with
// cross-reference tables and with packed objects. It checks that everything that existed before
// still exists.
func TestForms(t *testing.T) {
	const text = "<</FT/Tx/T(Signature1)/V(kept)/Subtype/Widget/Rect[0 0 9 9]>>"
	for _, tt := range []struct {
		name   string
		make   maker
		fields int // before
		annots int
	}{
		{"none", onePage("", ""), 0, 0},
		{"empty form", onePage("/AcroForm<<>>", ""), 0, 0},
		{"direct form", onePage("/AcroForm<</Fields[10 0 R]/DA(/Helv 0 Tf)/DR<</Font<<>>>>/Custom 1.50>>",
			"/Annots[10 0 R]").with(10, text), 1, 1},
		{"indirect form", onePage("/AcroForm 9 0 R", "/Annots[10 0 R]").with(9,
			"<</Fields[10 0 R]/DA(/Helv 0 Tf)/Custom 1.50>>").with(10, text), 1, 1},
		{"indirect fields", onePage("/AcroForm<</Fields 8 0 R/Custom 1.50>>", "/Annots 7 0 R").with(7, "[10 0 R]").with(8,
			"[10 0 R]").with(10, text), 1, 1},
		{"all indirect", onePage("/AcroForm 9 0 R", "/Annots 7 0 R").with(7, "[10 0 R]").with(8, "[10 0 R]").
			with(9, "<</Fields 8 0 R/SigFlags 4/Custom 1.50>>").with(10, text), 1, 1},
		{"over a chain", onePage("/AcroForm<</Fields 6 0 R/Custom 1.50>>", "/Annots 7 0 R").with(6, "8 0 R").with(7,
			"[]").with(8, "[10 0 R]").with(10, text), 1, 0},
		{"empty list", onePage("/AcroForm<</Fields 8 0 R/Custom 1.50>>", "/Annots 7 0 R").with(7, "[]").with(8, "[]"), 0, 0},
		{"null list", onePage("/AcroForm<</Fields 8 0 R/Custom 1.50>>", "/Annots 7 0 R").with(7, "null").with(8, "null"), 0,
			0},
		{"nested fields", onePage("/AcroForm<</Fields[9 0 R]/Custom 1.50>>", "").with(9, "<</T(a)/Kids[10 0 R]>>").with(10,
			"<</Parent 9 0 R"+text[2:]), 1, 0},
		{"fields in a loop", onePage("/AcroForm<</Fields[9 0 R]/Custom 1.50>>", "").with(9,
			"<</T(a)/Kids[10 0 R]>>").with(10, "<</T(b)/Kids[9 0 R]>>"), 1, 0},
		{"extensions", onePage("/Extensions<</ADBE<</BaseVersion/1.7/ExtensionLevel 3>>>>", ""), 0, 0},
		{"indirect extensions", onePage("/Extensions 9 0 R", "").with(9, "<</ADBE<</BaseVersion/1.7/ExtensionLevel 3>>>>"),
			0, 0},
		{"several pages", onePage("", "").with(2, "<</Type/Pages/Count 3/Kids[9 0 R 5 0 R]/MediaBox[0 0 9 9]>>").
			with(9, "<</Type/Pages/Parent 2 0 R/Count 2/Kids[3 0 R 5 0 R]>>").with(5, "<</Type/Page/Parent 2 0 R>>"), 0, 0},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, packed %v", tt.name, packed), func(t *testing.T) {
				tt.make.packed = packed
				tt.make.trailer = "/ID[<31><32>]"
				original := tt.make.bytes()
				once := mustSign(t, &Format{}, rsaKey(), original, signing.LevelB)
				twice := mustSign(t, &Format{}, rsaKey(), once, signing.LevelB)
				checkSigned(t, once, signing.LevelB)
				r := checkSigned(t, twice, signing.LevelB)
				if r == nil ||
					r.Field == "Signature1" && tt.fields == 1 && !strings.Contains(tt.name, "nested") &&
						!strings.Contains(tt.name, "loop") {
					t.Errorf("the second field is called %q", r.Field)
				}
				checkKept(t, openPDF(t, original), openPDF(t, twice), tt.fields, tt.annots)
			})
		}
	}
}

// checkKept checks that after has the form, the annotations and the extensions of before, and two
// more signature fields.
func checkKept(t *testing.T, before, after *pdf.Document, fields, annots int) {
	t.Helper()
	old, _, err := before.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := after.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	form := dictOf(t, after, now.Get("AcroForm"))
	list, err := after.Array(form.Get("Fields"))
	if err != nil || len(list) != fields+2 {
		t.Errorf("/Fields = %v, %v, want %d and two", list, err, fields)
	}
	for k, v := range dictOf(t, before, old.Get("AcroForm")).All() {
		if k != "Fields" && k != "SigFlags" && !pdf.Equal(v, form.Get(k)) {
			t.Errorf("the form's /%s = %v, want %v", k, form.Get(k), v)
		}
	}
	if flags, err := after.Int(form.Get("SigFlags"), 0); flags&3 != 3 || err != nil {
		t.Errorf("/SigFlags = %d, %v, want both bits", flags, err)
	}
	page, err := after.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := after.Array(page.Dict.Get("Annots")); err != nil || len(list) != annots+2 {
		t.Errorf("/Annots = %v, %v, want %d and two", list, err, annots)
	}
	extensions := dictOf(t, after, now.Get("Extensions"))
	if !extensions.Has("ESIC") || dictOf(t, before, old.Get("Extensions")).Has("ADBE") != extensions.Has("ADBE") {
		t.Errorf("/Extensions = %v", extensions)
	}
	if ids, _ := after.Array(after.Trailer().Get("ID")); len(ids) != 2 {
		t.Errorf("/ID = %v, want it carried on", ids)
	}
}

// TestVersions tests that the extension is declared only below PDF 2.0.
func TestVersions(t *testing.T) {
	for _, tt := range []struct {
		header, catalog string
		want            bool
	}{
		{"%PDF-1.0", "", true},
		{"%PDF-1.4", "/Version/1.7", true},
		{"%PDF-1.4", "/Version/2.0", false},
		{"%PDF-2.0", "", false},
		{"%PDF-2.0", "/Version/1.4", false},
		{"%PDF-X.Y", "", true},
	} {
		m := onePage(tt.catalog, "")
		m.header = tt.header
		doc := openPDF(t, mustSign(t, &Format{}, rsaKey(), m.bytes(), signing.LevelB))
		catalog, _, err := doc.Catalog()
		if err != nil {
			t.Fatal(err)
		}
		if got := catalog.Has("Extensions"); got != tt.want {
			t.Errorf("%s%s: extension declared = %v, want %v", tt.header, tt.catalog, got, tt.want)
		}
	}
}

// TestSignatureDictionary checks the dictionary and the widget against the documented product and
// ETSI EN 319 142-1 6.3.
func TestSignatureDictionary(t *testing.T) {
	signed := mustSign(t, &Format{}, rsaKey(), onePage("", "").bytes(), signing.LevelB)
	doc := openPDF(t, signed)
	list, err := readSignatures(doc)
	if err != nil || len(list) != 1 {
		t.Fatalf("readSignatures = %v, %v, want one", list, err)
	}
	v := list[0].dict
	for _, key := range []pdf.Name{"Name", "Cert", "Reference", "Prop_Build", "ContactInfo"} {
		if v.Has(key) {
			t.Errorf("/%s exists", key)
		}
	}
	for key, want := range map[pdf.Name]string{"Reason": "Prüfung (1)", "Location": "Lisboa",
		"M": "D:20260304050607+00'00'"} {
		if s, _ := v.Get(key).(pdf.String); s.Text() != want {
			t.Errorf("/%s = %q, want %q", key, s.Text(), want)
		}
	}
	widget := list[0].field.dict
	if widget.Get("F") != pdf.Int(132) || widget.Get("Subtype") != pdf.Name("Widget") ||
		widget.Get("P") != (pdf.Ref{Number: 3}) {
		t.Errorf("widget = %v", widget)
	}
	in := input(t, onePage("", "").bytes(), signing.LevelB)
	in.Signature.Reason, in.Signature.Location = "", ""
	p, err := (&Format{}).Prepare(t.Context(), in, rsaKey().credential)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(p.State, []byte("/Reason")) {
		t.Error("an empty reason is written")
	}
}
