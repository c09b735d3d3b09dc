package pades

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// trySpot signs with a box of 200 x 50 points at a position.
func trySpot(t *testing.T, f *Format, original []byte, kind, place string) error {
	t.Helper()
	in := input(t, original, signing.LevelB)
	in.Signature.Visible = &signing.VisibleSignature{
		LocationType: kind, LocationValue: place, Area: "width=200,height=50", TemplateType: "ONE_OFF", OneOffTemplate: "x",
	}
	if kind == "SIGN_FIELD" {
		in.Signature.Visible.Area = ""
	}
	p, err := f.Prepare(context.Background(), in, rsaKey().credential)
	if err != nil {
		return err
	}
	_, _, err = f.Embed(context.Background(), in, p, rsaKey().sign(t, p.Digest))
	return err
}

// TestVisibleClipped tests that a box that is partly outside its page is refused, with its size,
// its position and its page, unless clipping is allowed.
func TestVisibleClipped(t *testing.T) {
	word := func(x, y int) string {
		content := fmt.Sprintf("BT /F1 12 Tf %d %d Td (SIGNHERE) Tj ET", x, y)
		return fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(content), content)
	}
	// Page 1 is 595 x 842 points; page 2 is seen as 300 x 400 points, turned by 90 degrees.
	two := func(x, y int) []byte {
		return onePage("", "/Contents 5 0 R/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>").with(5,
			word(x, y)).
			with(2, "<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]/MediaBox[0 0 595 842]>>").
			with(4, "<</Type/Page/Parent 2 0 R/MediaBox[100 100 500 400]/Rotate 90>>").bytes()
	}
	for _, tt := range []struct {
		kind, place string
		file        []byte
		want        string // empty if it is inside the page
		clipped     bool   // it may be signed if clipping is allowed
	}{
		{"COORDINATE", "page=1,x=100,y=500", two(50, 400), "", true},
		{"COORDINATE", "page=1,x=0,y=0", two(50, 400), "", true},
		{"COORDINATE", "page=1,x=395,y=792", two(50, 400), "", true},
		{"COORDINATE", "page=2,x=100,y=350", two(50, 400), "", true},
		{"COORDINATE", "page=1,x=396,y=500", two(50, 400),
			"the box of 200 x 50 points at x=396, y=500 lies partly outside the page: page 1 has 595 x 842 points", true},
		{"COORDINATE", "page=1,x=100,y=793", two(50, 400), "at x=100, y=793 lies partly outside the page: page 1", true},
		{"COORDINATE", "page=2,x=101,y=350", two(50, 400),
			"at x=101, y=350 lies partly outside the page: page 2 has 300 x 400 points", true},
		{"COORDINATE", "page=2,x=100,y=351", two(50, 400), "page 2 has 300 x 400 points", true},
		{"COORDINATE", "page=1,x=600,y=1", two(50, 400),
			"the box of 200 x 50 points at x=600, y=1 lies outside the page: page 1 has 595 x 842 points", false},
		{"PLACEHOLDER", "SIGNHERE", two(50, 400), "", true},
		{"PLACEHOLDER", "SIGNHERE", two(450, 400), "at x=450, y=", true},
		{"PLACEHOLDER", "SIGNHERE", two(50, 20), "lies partly outside the page: page 1", true},
	} {
		t.Run(tt.kind+" "+tt.place+" "+tt.want, func(t *testing.T) {
			err := trySpot(t, &Format{}, tt.file, tt.kind, tt.place)
			e := signing.AsError(err)
			if tt.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.want != "" && (err == nil || e.Kind != signing.KindVisible || !strings.Contains(e.Detail, tt.want)) {
				t.Errorf("error = %v, want %s with %q", err, signing.KindVisible, tt.want)
			}
			if err := trySpot(t, &Format{AllowClipping: true}, tt.file, tt.kind, tt.place); (err == nil) != tt.clipped {
				t.Errorf("where clipping is allowed: %v, want it signed: %v", err, tt.clipped)
			}
		})
	}
}

// TestVisibleInCertified tests that a certification or a lock with /P 2 allows invisible signatures
// and existing fields, but no new visible field, which is an annotation.
func TestVisibleInCertified(t *testing.T) {
	k := rsaKey()
	form := onePage("/AcroForm<</Fields[10 0 R]>>", "/Annots[10 0 R]").
		with(10, "<</FT/Sig/T(empty)/Type/Annot/Subtype/Widget/F 4/Rect[10 10 210 60]>>").bytes()
	certified := func(p int64) []byte { return certify(t, k, form, p) }
	inPerms := func(p int64) []byte {
		file := certified(p)
		list, err := readSignatures(openPDF(t, file))
		if err != nil || len(list) != 1 {
			t.Fatalf("%d signatures, %v", len(list), err)
		}
		return revise(t, file, set(t, 1, "Perms", pdf.NewDict("DocMDP", list[0].ref)))
	}
	locked := func(p int64) []byte {
		file := mustSign(t, &Format{}, k, form, signing.LevelB)
		list, err := readSignatures(openPDF(t, file))
		if err != nil || len(list) != 1 {
			t.Fatalf("%d signatures, %v", len(list), err)
		}
		lock := pdf.NewDict("Action", pdf.Name("Include"), "Fields", pdf.Array{}, "P", pdf.Int(p))
		return revise(t, file, set(t, list[0].field.ref.Number, "Lock", lock))
	}
	for _, tt := range []struct {
		name string
		file []byte
		want bool // a new visible field is allowed
	}{
		{"not certified", form, true},
		{"certified, P 2", certified(2), false},
		{"certified, P 3", certified(3), true},
		{"certified in /Perms, P 2", inPerms(2), false},
		{"certified in /Perms, P 3", inPerms(3), true},
		{"locked, P 2", locked(2), false},
		{"locked, P 3", locked(3), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := trySpot(t, &Format{}, bytes.Clone(tt.file), "COORDINATE", "page=1,x=100,y=500")
			if tt.want && err != nil {
				t.Errorf("a new visible field is refused: %v", err)
			}
			if e := signing.AsError(err); !tt.want &&
				(err == nil || e.Kind != signing.KindForbidden || !strings.Contains(e.Detail, "no new visible field")) {
				t.Errorf("a new visible field: %v, want %s", err, signing.KindForbidden)
			}
			if err := trySpot(t, &Format{}, bytes.Clone(tt.file), "SIGN_FIELD", "empty"); err != nil {
				t.Errorf("an existing field is refused: %v", err)
			}
			if _, err := trySign(t, &Format{}, k, tt.file, signing.LevelB); err != nil {
				t.Errorf("an invisible signature is refused: %v", err)
			}
		})
	}
}
