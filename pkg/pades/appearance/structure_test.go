package appearance

import (
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// form returns the appearance of the only field of the document.
func form(t *testing.T, d *pdf.Document) *pdf.Stream {
	t.Helper()
	page, err := d.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	annots, _ := d.Array(page.Dict.Get("Annots"))
	widget, _ := d.Dict(annots[len(annots)-1])
	ap, _ := d.Dict(widget.Get("AP"))
	n, err := d.Get(ap.Get("N"))
	if err != nil {
		t.Fatal(err)
	}
	return n.(*pdf.Stream)
}

func data(t *testing.T, d *pdf.Document, s *pdf.Stream) []byte {
	t.Helper()
	r, err := d.Data(s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// follow resolves o and then the entries that path names, one after the other. "" means the first
// element of an array.
func follow(t *testing.T, d *pdf.Document, o pdf.Object, path ...pdf.Name) pdf.Object {
	t.Helper()
	v, err := d.Get(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(path) == 0 {
		return v
	}
	switch v := v.(type) {
	case *pdf.Dict:
		o = v.Get(path[0])
	case *pdf.Stream:
		o = v.Dict.Get(path[0])
	case pdf.Array:
		o = v[0]
	}
	return follow(t, d, o, path[1:]...)
}

// operators lists the operators of a content stream.
func operators(t *testing.T, b []byte) map[string]int {
	t.Helper()
	c := pdf.NewContent(strings.NewReader(string(b)))
	out := map[string]int{}
	for {
		op, _, err := c.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[op]++
	}
}

// reachable calls visit for every object that o refers to.
func reachable(t *testing.T, d *pdf.Document, o pdf.Object, seen map[pdf.Ref]bool, visit func(pdf.Object)) {
	t.Helper()
	if ref, ok := o.(pdf.Ref); ok {
		if seen[ref] {
			return
		}
		seen[ref] = true
	}
	v, err := d.Get(o)
	if err != nil {
		t.Fatal(err)
	}
	visit(v)
	switch v := v.(type) {
	case *pdf.Stream:
		reachable(t, d, v.Dict, seen, visit)
	case *pdf.Dict:
		for _, one := range v.All() {
			reachable(t, d, one, seen, visit)
		}
	case pdf.Array:
		for _, one := range v {
			reachable(t, d, one, seen, visit)
		}
	}
}

// halfClear returns a red image whose right half is transparent.
func halfClear() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 40, 20))
	for x := range 40 {
		for y := range 20 {
			img.Set(x, y, color.NRGBA{255, 0, 0, uint8(255 * ((39 - x) / 20))})
		}
	}
	return img
}

// TestPDFAStructure checks the appearance against the rules of ISO 19005-1 6.2 to 6.4 that concern
// its objects.
func TestPDFAStructure(t *testing.T) {
	jpg, err := os.ReadFile("testdata/rgb.jpg")
	if err != nil {
		t.Fatal(err)
	}
	cmyk, err := os.ReadFile("testdata/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"opacity": encodePNG(t, halfClear()), "jpeg": jpg, "cmyk": cmyk} {
		for _, background := range []string{"transparent", "#00FF00"} {
			c := content(t, func(v *signing.VisibleSignature, c *Content) {
				c.PDFA, c.Image, v.ImageType, v.AreaBackgroundColor = true, inMemory(file), "", background
			})
			d := openPDF(t, stamp(t, onePage(pageSpec{}), c))
			f := form(t, d)
			for op, n := range operators(t, data(t, d, f)) {
				switch op {
				case "rg", "RG", "g", "G", "k", "K", "gs", "sh", "BI":
					t.Errorf("%s on %s: the content has the operator %s %d times", name, background, op, n)
				}
			}
			reachable(t, d, f, map[pdf.Ref]bool{}, func(o pdf.Object) {
				switch o := o.(type) {
				case pdf.Name:
					if strings.HasPrefix(string(o), "Device") {
						t.Errorf("%s on %s: /%s is used", name, background, o)
					}
				case *pdf.Dict:
					for _, key := range []pdf.Name{"SMask", "Group", "ca", "CA", "BM", "Interpolate", "Alternates", "OPI", "PS"} {
						if o.Has(key) {
							t.Errorf("%s on %s: a dictionary has /%s", name, background, key)
						}
					}
				}
			})
		}
	}
}

// TestFontStructure checks the font against ISO 19005-1 6.3: it is embedded, has the name of a
// subset, a CIDSet, the widths of the program, and ToUnicode.
func TestFontStructure(t *testing.T) {
	d := openPDF(t, stamp(t, onePage(pageSpec{}), content(t, func(v *signing.VisibleSignature, _ *Content) {
		v.OneOffTemplate = "Ação: Ελλάδα, Україна — €"
	})))
	fonts := follow(t, d, form(t, d), "Resources", "Font", "F1").(*pdf.Dict)
	cidFont := follow(t, d, fonts, "DescendantFonts", "").(*pdf.Dict)
	name := string(fonts.Get("BaseFont").(pdf.Name))
	if !regexp.MustCompile(`^[A-Z]{6}\+LiberationSerif$`).MatchString(name) || cidFont.Get("BaseFont") != pdf.Name(name) {
		t.Errorf("BaseFont = %s and %v", name, cidFont.Get("BaseFont"))
	}
	if cidFont.Get("CIDToGIDMap") != pdf.Name("Identity") {
		t.Errorf("CIDToGIDMap = %v, want Identity", cidFont.Get("CIDToGIDMap"))
	}
	descriptor := follow(t, d, cidFont, "FontDescriptor").(*pdf.Dict)
	program := data(t, d, follow(t, d, descriptor, "FontFile2").(*pdf.Stream))
	if len(program) > 8<<10 {
		t.Errorf("the font program has %d bytes, want a subset of at most 8 KiB", len(program))
	}
	set := data(t, d, follow(t, d, descriptor, "CIDSet").(*pdf.Stream))
	widths := follow(t, d, cidFont, "W").(pdf.Array)[1].(pdf.Array)
	advances := advances(t, program)
	if len(advances) != len(widths) || len(set) != (len(widths)+7)/8 {
		t.Fatalf("%d widths, %d glyphs, %d bytes of CIDSet", len(widths), len(advances), len(set))
	}
	for i, w := range widths {
		n, _ := w.(pdf.Number).Float()
		if n-advances[i] > 0.5 || advances[i]-n > 0.5 {
			t.Errorf("width of CID %d = %g, want %g", i, n, advances[i])
		}
		if set[i/8]>>(7-i%8)&1 != 1 {
			t.Errorf("CIDSet lacks CID %d", i)
		}
	}
	if cmap := string(data(t, d, follow(t, d, fonts, "ToUnicode").(*pdf.Stream))); !strings.Contains(cmap, "<0423>") {
		t.Errorf("ToUnicode = %s, want it to map to У", cmap)
	}
}

// advances returns the advance widths of a TrueType program, in thousandths.
func advances(t *testing.T, program []byte) []float64 {
	t.Helper()
	u16 := func(b []byte) int { return int(binary.BigEndian.Uint16(b)) }
	tables := map[string][]byte{}
	for i := range u16(program[4:]) {
		entry := program[12+16*i:]
		at, n := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		tables[string(entry[:4])] = program[at : at+n]
	}
	out := make([]float64, u16(tables["maxp"][4:]))
	for i := range out {
		out[i] = float64(u16(tables["hmtx"][4*i:])) * 1000 / float64(u16(tables["head"][18:]))
	}
	return out
}

func TestTransparentImageKeepsItsMaskElsewhere(t *testing.T) {
	for background, want := range map[string]bool{"transparent": true, "#00FF00": false} {
		c := content(t, func(v *signing.VisibleSignature, c *Content) {
			c.Image, v.AreaBackgroundColor = inMemory(encodePNG(t, halfClear())), background
		})
		d := openPDF(t, stamp(t, onePage(pageSpec{}), c))
		image := follow(t, d, form(t, d), "Resources", "XObject", "Im1").(*pdf.Stream)
		if got := image.Dict.Has("SMask"); got != want {
			t.Errorf("on %s the image has an SMask: %v, want %v", background, got, want)
		}
	}
}

// TestOtherReaders checks with independent readers that the files are sound and the text can be
// extracted.
func TestOtherReaders(t *testing.T) {
	for _, pdfa := range []bool{false, true} {
		file := stamp(t, onePage(pageSpec{rotate: 90}), content(t, func(v *signing.VisibleSignature, c *Content) {
			v.LocationValue, v.OneOffTemplate, c.PDFA = "page=1,x=100,y=100",
				"Assinado por João Ação Ελλάδα Україна", pdfa
		}))
		path := filepath.Join(t.TempDir(), "stamped.pdf")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(tool(t, "qpdf"), "--check", path).CombinedOutput(); err != nil {
			t.Errorf("qpdf: %v\n%s", err, out)
		}
		out, err := exec.Command(tool(t, "pdftotext"), "-raw", path, "-").CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil ||
			!strings.Contains(got, "Assinado por João Ação Ελλάδα Україна") {
			t.Errorf("pdftotext: %v %q", err, got)
		}
		if out, err := exec.Command(
			tool(t, "mutool"), "draw", "-o", filepath.Join(t.TempDir(), "page.png"), path,
		).CombinedOutput(); err != nil ||
			strings.Contains(string(out), "error") {
			t.Errorf("mutool: %v\n%s", err, out)
		}
	}
}

func TestMakeWithoutArea(t *testing.T) {
	c := content(t, func(v *signing.VisibleSignature, _ *Content) { v.Area = "" })
	c.Page = signing.Area{Width: 595, Height: 842}
	a, err := Make(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Area(); got.Height != 150 || got.Width < 280 || got.Width > 300 || len(a.layout.lines) != 1 {
		t.Errorf("area = %v with %d lines, want 150 high and as wide as image and text", got, len(a.layout.lines))
	}
	c.Page = signing.Area{Width: 200, Height: 842}
	if a, err = Make(c); err != nil || a.Area().Width != 200 {
		t.Errorf("Make on a narrow page = %v, want an area as wide as the page", err)
	}
	c.Page = signing.Area{Width: 100, Height: 842}
	if _, err := Make(c); signing.KindOf(err) != signing.KindVisible {
		t.Errorf("Make with an image larger than the page = %v, want KindVisible", err)
	}
}

func TestMakeRefusesLongText(t *testing.T) {
	c := content(t, func(v *signing.VisibleSignature, _ *Content) {
		v.OneOffTemplate = strings.Repeat("$certificate.subject ", 700)
	})
	c.Certificate.Subject.CommonName = strings.Repeat("x", 100)
	if _, err := Make(c); signing.KindOf(err) != signing.KindVisible {
		t.Errorf("Make = %v, want KindVisible", err)
	}
}

// BenchmarkAppearance measures the extra cost of a visible signature.
func BenchmarkAppearance(b *testing.B) {
	casa, err := os.ReadFile("testdata/golden/casa.png")
	if err != nil {
		b.Fatal(err)
	}
	v := signing.VisibleSignature{
		LocationType:   "COORDINATE",
		LocationValue:  "page=1,x=100,y=500",
		Area:           "width=300,height=200",
		OneOffTemplate: "Signed by $reason\n$date",
		Image:          &signing.Content{Size: int64(len(casa))},
	}
	values, err := v.Parse()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		a, err := Make(Content{Values: values, Reason: "King Sejong of Joseon", Image: inMemory(casa)})
		if err != nil {
			b.Fatal(err)
		}
		a.Write(func(pdf.Object) pdf.Ref { return pdf.Ref{Number: 1} }, [6]float64{1, 0, 0, 1, 0, 0})
	}
}
