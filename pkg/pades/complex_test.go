package pades

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestTooComplex refuses small files that would otherwise keep a processor busy for hours.
func TestTooComplex(t *testing.T) {
	large := strings.Repeat("x", 300<<10) // an object with it is parsed at each reference
	form := func(fields string) maker { return onePage("/AcroForm 9 0 R", "").with(9, "<</Fields["+fields+"]>>") }
	atField := &signing.VisibleSignature{
		LocationType:   "SIGN_FIELD",
		LocationValue:  "S",
		TemplateType:   "ONE_OFF",
		OneOffTemplate: "x",
	}
	atWord := &signing.VisibleSignature{
		LocationType:   "PLACEHOLDER",
		LocationValue:  "SIGN",
		Area:           "width=90,height=30",
		TemplateType:   "ONE_OFF",
		OneOffTemplate: "x",
	}
	pages := func(n int, annots string) maker {
		return withEmptyField("").with(2,
			fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s 4 0 R]/MediaBox[0 0 595 842]>>", n+1, strings.Repeat("3 0 R ", n))).
			with(3, "<</Type/Page/Parent 2 0 R/Annots 9 0 R>>").with(
			9,
			annots,
		).with(4, "<</Type/Page/Parent 2 0 R/Annots[10 0 R]>>")
	}
	for _, tt := range []struct {
		name    string
		make    maker
		visible *signing.VisibleSignature
	}{
		{"kids shared by fields", form(strings.Repeat("<</Kids 8 0 R>>", 40)).with(8,
			"["+strings.Repeat("5 0 R ", 20_000)+"]"), nil},
		{"large kids shared by fields", form(strings.Repeat("<</Kids 8 0 R>>", 1000)).with(8, "[<</X("+large+")>>]"), nil},
		{"long name", form("<</FT/Tx/T(" + strings.Repeat(".", 5000) + ")>>"), nil},
		{"long name by levels", form("<</T 8 0 R/Kids[<</T 8 0 R/Kids[<</T 8 0 R>>]>>]>>").with(8,
			"("+strings.Repeat("a", 2000)+")"), nil},
		{"locks without end", form(strings.Repeat("<</FT/Sig/V 7 0 R/Lock 8 0 R>>", 40)).with(8,
			"<</Fields["+strings.Repeat("(a)", 3000)+"]>>").
			with(7, "<</Contents<00>/ByteRange[0 AAAA BBBB 9]>>"), nil},
		{"large annotations of a page listed often", pages(200, "[("+large+")]"), atField},
		{"annotations of a page listed often", pages(300, "["+strings.Repeat("5 0 R ", 40_000)+"]"), atField},
		{"large resources", onePage("", "/Contents 4 0 R/Resources<</XObject 9 0 R>>").with(4,
			streamOf(strings.Repeat("/X Do\n", 400), "")).
			with(9, "<</X 5/Y("+large+")>>"), atWord},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(t, leaveOut(tt.make.bytes()), signing.LevelB)
			in.Signature.Visible = tt.visible
			_, err := (&Format{}).Prepare(t.Context(), in, rsaKey().credential)
			if signing.KindOf(err) != signing.KindTooComplex {
				t.Errorf("Prepare = %v, want %s", err, signing.KindTooComplex)
			}
		})
	}
}

// TestPrepareStops tests that Prepare stops when its context is cancelled.
func TestPrepareStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, find := range map[string]func() error{
		"form": func() error {
			_, err := readForm(ctx, openPDF(t, withEmptyField("").bytes()))
			return err
		},
		"pages": func() error {
			_, err := pageOf(ctx, openPDF(t, withEmptyField("").bytes()), pdf.Ref{Number: 99})
			return err
		},
	} {
		if err := find(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want it to stop", name, err)
		}
	}
}
