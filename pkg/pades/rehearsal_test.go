package pades

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const emptySigField = "<</Type/Annot/Subtype/Widget/FT/Sig/T(S)/Rect[100 100 300 200]/F 4%s>>"

// withEmptyField returns a document with the signature field S as object 10, with extra entries.
func withEmptyField(extra string) maker {
	return onePage("/AcroForm<</Fields[10 0 R]>>", "/Annots[10 0 R]").with(10, fmt.Sprintf(emptySigField, extra))
}

func streamOf(data, entries string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", entries, len(data), data)
}

// TestNoSignatureIsWasted prepares documents for which Embed could fail. Either Prepare refuses
// them or Embed succeeds, because the signature is paid for between the two.
func TestNoSignatureIsWasted(t *testing.T) {
	// Two signed fields; their ByteRange leaves out the first string of the file.
	earlier := func(first, second string) maker {
		const field = "<</FT/Sig%s/V 12 0 R/Subtype/Widget/Rect[0 0 0 0]>>"
		return onePage("/AcroForm<</Fields[10 0 R 11 0 R]>>", "").with(
			10,
			fmt.Sprintf(field, first),
		).with(11, fmt.Sprintf(field, second)).
			with(12, "<</Type/Sig/Contents<00>/ByteRange[0 AAAA BBBB 9]>>")
	}
	filled := func(n int) maker {
		m, list := onePage("", ""), ""
		for i := range n {
			m.objects[20+i] = streamOf(fmt.Sprint("no certificate ", i), "")
			list += fmt.Sprintf(" %d 0 R", 20+i)
		}
		return m.with(1, "<</Type/Catalog/Pages 2 0 R/DSS<</Certs["+list+"]>>>>")
	}
	atField := &signing.VisibleSignature{
		LocationType:   "SIGN_FIELD",
		LocationValue:  "S",
		TemplateType:   "ONE_OFF",
		OneOffTemplate: "x",
	}
	onPage2 := &signing.VisibleSignature{
		LocationType:   "COORDINATE",
		LocationValue:  "page=2,x=10,y=10",
		Area:           "width=90,height=30",
		TemplateType:   "ONE_OFF",
		OneOffTemplate: "x",
	}
	for _, tt := range []struct {
		name    string
		make    maker
		level   signing.Level
		visible *signing.VisibleSignature
		refused string // empty = signed
	}{
		{"two fields of one name", earlier("/T(a)", "/T(a)"), signing.LevelB, nil, ""},
		{"two fields without a name", earlier("", ""), signing.LevelB, nil, ""},
		{"missing certificate", onePage("/DSS<</Certs[30 0 R]>>", ""), signing.LevelLT, nil, ""},
		{"null for a certificate", onePage("/DSS<</Certs[null]>>", ""), signing.LevelLTA, nil, ""},
		{"a number for a certificate", onePage("/DSS<</Certs[5]>>", ""), signing.LevelLT, nil, ""},
		{"broken CRL", onePage("/DSS<</CRLs[6 0 R]>>", "").with(6, streamOf("xx", "/Filter/FlateDecode")), signing.LevelLT,
			nil, ""},
		{"many certificates", filled(maxKnown + maxAdded + 1), signing.LevelLTA, nil, ""},
		{"store no dictionary", onePage("/DSS[]", ""), signing.LevelLT, nil, "not a dictionary"},
		{"store no dictionary, level without it", onePage("/DSS[]", ""), signing.LevelT, nil, ""},
		{"certificates no array", onePage("/DSS<</Certs 5>>", ""), signing.LevelLT, nil, "not an array"},
		{"page a stream", withEmptyField("/P 5 0 R").with(5, streamOf("x", "")), signing.LevelB, atField, ""},
		{"page an array", withEmptyField("/P[1]"), signing.LevelB, atField, ""},
		{"page's annotations elsewhere", withEmptyField("/P 6 0 R").with(6, "<</Annots 5>>"), signing.LevelB, atField, ""},
		{"another field of the name is signed", withEmptyField("").with(11, "<</FT/Sig/T(S)/V 12 0 R>>").
			with(1, "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[10 0 R 11 0 R]>>>>").
			with(12, "<</Type/Sig/Contents<00>/ByteRange[0 AAAA BBBB 9]>>"), signing.LevelB, atField, "already signed"},
		{"timestamp on a broken first page", onePage("", "/Annots 5").with(2,
			"<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]/MediaBox[0 0 595 842]>>").
			with(4, "<</Type/Page/Parent 2 0 R>>"), signing.LevelLTA, onPage2, "not an array"},
		// Object 11 will be the signature: the field takes it for its own.
		{"value that is still to come", onePage("/AcroForm<</Fields[10 0 R]>>", "").with(10, "<</FT/Sig/T(a)/V 11 0 R>>"),
			signing.LevelB, nil, "cannot be signed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := rsaKey()
			a := newAuthority(t, k)
			f := &Format{Timestamper: a, Revocation: a}
			file := leaveOut(tt.make.bytes())
			in := input(t, file, tt.level)
			in.Signature.Visible = tt.visible
			p, err := f.Prepare(context.Background(), in, k.credential)
			if tt.refused != "" {
				if e := signing.AsError(err); err == nil || e.Kind == signing.KindInternal ||
					!strings.Contains(e.Detail, tt.refused) {
					t.Errorf("Prepare = %v, want it refused with %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatalf("Prepare: %v", err)
			}
			section, _, err := f.Embed(context.Background(), in, p, k.sign(t, p.Digest))
			if err != nil {
				t.Fatalf("Embed, with the signature paid for: %v", err)
			}
			list, err := readSignatures(openPDF(t, append(file, section...)))
			if err != nil || len(list) == 0 {
				t.Errorf("readSignatures = %v, %v", list, err)
			}
		})
	}
}

// TestStoreLooksAtTheNewest tests that data at the end of a long list is found and not stored
// again.
func TestStoreLooksAtTheNewest(t *testing.T) {
	k := rsaKey()
	a := newAuthority(t, k)
	f := &Format{Timestamper: a, Revocation: a}
	once := mustSign(t, f, k, onePage("", "").bytes(), signing.LevelLT)
	grown := revise(t, once, func(u *pdf.Update) {
		catalog, _, err := u.Document().Catalog()
		if err != nil {
			t.Fatal(err)
		}
		dss, err := u.EditDict(catalog.Get("DSS").(pdf.Ref))
		if err != nil {
			t.Fatal(err)
		}
		list, err := u.Document().Array(dss.Get("Certs"))
		if err != nil {
			t.Fatal(err)
		}
		var long pdf.Array
		for range maxKnown {
			long = append(long, u.Add(pdf.NewStream(pdf.NewDict(), []byte("x"))))
		}
		dss.Set("Certs", append(long, list...))
	})
	count := func(file []byte) int {
		_, lists, err := storeLists(openPDF(t, file))
		if err != nil {
			t.Fatal(err)
		}
		return len(lists[0])
	}
	if before, after := count(grown), count(mustSign(t, f, k, grown, signing.LevelLT)); after != before {
		t.Errorf("%d certificates, then %d, want the same", before, after)
	}
}
