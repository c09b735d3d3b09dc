package appearance

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestLatinOutputIsStable compares every object of appearances that need only the built-in fonts
// with the output of earlier releases. Streams are compared unpacked, because the output of the
// compressor may change with Go.
func TestLatinOutputIsStable(t *testing.T) {
	const long = "Digitally signed by Transportes Rodoviários Irmãos Álvares e Companhia, Sociedade Unipessoal Limitada"
	tests := []struct{ name, template, area, font string }{
		{
			"serif",
			"Signed by $certificate.getCommonName()\nΑθήνα, Київ, $date.format('d MMM yyyy')\n$reason, $location",
			"width=300,height=200",
			"",
		},
		{"sans", "Ação: Ελλάδα, Україна — €, e\u0301 fi", "width=120,height=40",
			"size=14,color=#8B0000,name=arial"},
		{"mono", long + "\n\n  a\tb   c", "width=200,height=90", "size=9,name=courier"},
		{"broken", long + strings.Repeat("x", 60), "width=80,height=60", ""},
		{"no area", long, "", "size=7"},
	}
	var got bytes.Buffer
	for _, tt := range tests {
		for _, pdfa := range []bool{false, true} {
			c := content(t, func(v *signing.VisibleSignature, c *Content) {
				v.OneOffTemplate, v.Area, v.Font = tt.template, tt.area, tt.font
				v.ImageType, v.Image, c.Image = "", nil, nil
				c.PDFA, c.Page = pdfa, signing.Area{Width: 595, Height: 842}
			})
			fmt.Fprintf(&got, "== %s, PDF/A %v\n", tt.name, pdfa)
			describe(t, &got, onePage(pageSpec{}), c)
		}
	}
	compareGolden(t, "testdata/latin.golden", got.Bytes())
}

// compareGolden compares text with a golden file.
func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the objects differ from %s:\n%s", path, got)
	}
}

var objectText = regexp.MustCompile(`(?s)\n(\d+) 0 obj\s(.*?)(?:stream\r?\n.*?)?\s?endobj`)

// describe prints the objects that stamp adds to a document for c. Content is printed completely,
// font programs and other streams as a digest.
func describe(t *testing.T, out *bytes.Buffer, original []byte, c Content) {
	t.Helper()
	file := stamp(t, original, c)
	d := openPDF(t, file)
	for _, m := range objectText.FindAllSubmatch(file[len(original)-1:], -1) {
		number, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%s: %s\n", m[1], regexp.MustCompile(`/Length \d+`).ReplaceAll(m[2], nil))
		o, err := d.Get(pdf.Ref{Number: number})
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := o.(*pdf.Stream); ok {
			unpacked := data(t, d, s)
			if s.Dict.Get("Subtype") == pdf.Name("Form") {
				fmt.Fprintf(out, "%s", unpacked)
				continue
			}
			fmt.Fprintf(out, "%d bytes %x\n", len(unpacked), sha256.Sum256(unpacked))
		}
	}
}
