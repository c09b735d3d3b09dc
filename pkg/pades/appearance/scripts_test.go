package appearance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// library opens the fonts of testdata.
func library(t *testing.T) *font.Library {
	t.Helper()
	l, err := font.OpenLibrary("testdata/fonts")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// scripts are texts that the fonts of testdata draw, alone or together with the built-in fonts.
// found lists what a search must find. For right-to-left lines poppler returns the reading order.
var scripts = []struct {
	name, text string
	found      []string
}{
	{"arabic", "محمد بن عبد الله\nفاتورة ١٢٣، لا", []string{"محمد بن عبد الله",
		"فاتورة", "١٢٣"}},
	{"hebrew", "משה כהן\nחשבון 123 (מקור)", []string{"משה כהן", "חשבון", "123", "מקור"}},
	{"chinese", "签署人：张伟（发票专用章）\n北京示例科技有限公司",
		[]string{"签署人：张伟（发票专用章）", "北京示例科技有限公司"}},
	{"thai", "ลงนามโดย นายสมชาย ใจดี\nที่กรุงเทพฯ น้ำ ปู่", []string{"ลงนามโดย นายสมชาย ใจดี", "ที่กรุงเทพฯ น้ำ ปู่"}},
	{"devanagari", "हस्ताक्षरित श्री कुमार\nहिन्दी में र्क्ति।", []string{"हस्ताक्षरित श्री कुमार", "हिन्दी में र्क्ति।"}},
	{
		"mixed",
		"Signed by محمد (ACME 12) on 2026\nShalom שלום, 北京 ∰ น้ำ!",
		[]string{"Signed by", "محمد", "שלום", "北京", "น้ำ"},
	},
}

func scriptContent(t *testing.T, text string, pdfa bool) Content {
	t.Helper()
	return content(t, func(v *signing.VisibleSignature, c *Content) {
		v.LocationValue, v.Area, v.AreaBackgroundColor = "page=1,x=20,y=20", "width=260,height=60", "#FFE9C0"
		v.OneOffTemplate, v.Font, v.ImageType, v.Image, c.Image = text, "size=18,name=sans", "", nil, nil
		c.Fonts, c.PDFA = library(t), pdfa
	})
}

// TestRenderedScripts compares pictures of texts in many scripts with pictures that a person has
// checked.
func TestRenderedScripts(t *testing.T) {
	for _, tt := range scripts {
		t.Run(tt.name, func(t *testing.T) {
			file := stamp(t, onePage(pageSpec{media: "[0 0 300 100]"}), scriptContent(t, tt.text, false))
			compare(t, filepath.Join("testdata", "render", "script-"+tt.name+".png"), render(t, file, 108))
		})
	}
}

// TestScriptStructure compares every object of these appearances with golden ones: glyphs, their
// positions, fonts.
func TestScriptStructure(t *testing.T) {
	var got bytes.Buffer
	for _, tt := range scripts {
		fmt.Fprintf(&got, "== %s\n", tt.name)
		describe(t, &got, onePage(pageSpec{}), scriptContent(t, tt.text, false))
	}
	compareGolden(t, "testdata/scripts.golden", got.Bytes())
}

// TestScriptsInOtherReaders checks that other readers accept the files and find the text in them.
func TestScriptsInOtherReaders(t *testing.T) {
	for _, tt := range scripts {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stamped.pdf")
			stamped := stamp(t, onePage(pageSpec{media: "[0 0 300 100]"}), scriptContent(t, tt.text, true))
			if err := os.WriteFile(path, stamped, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(tool(t, "qpdf"), "--check", path).CombinedOutput(); err != nil {
				t.Errorf("qpdf: %v\n%s", err, out)
			}
			out, err := exec.Command(
				tool(t, "mutool"), "draw", "-o", filepath.Join(t.TempDir(), "page.png"), path,
			).CombinedOutput()
			if err != nil || strings.Contains(string(out), "error") {
				t.Errorf("mutool: %v\n%s", err, out)
			}
			text, err := exec.Command(tool(t, "pdftotext"), path, "-").CombinedOutput()
			for _, want := range tt.found {
				if got := unmarked(string(text)); err != nil || !strings.Contains(got, want) {
					t.Errorf("pdftotext: %v %q, want it to hold %q", err, got, want)
				}
			}
		})
	}
}

// unmarked drops the direction marks that pdftotext writes, and joins lines and blanks.
func unmarked(s string) string {
	s = strings.Map(func(r rune) rune {
		if turning(r) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// TestChineseCertificate draws the name of a Chinese certificate, with the fonts that have it.
func TestChineseCertificate(t *testing.T) {
	c := scriptContent(t, "Signed by $certificate.getCommonName()", false)
	c.Certificate = chinese(t)
	a, err := Make(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(a.layout.texts(), "|"), "Signed by 张伟 (发票专用章)"; got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
	if got, want := facesOf(
		a,
	), "LiberationSans NotoSansCJKsc-Regular LiberationSans NotoSansCJKsc-Regular LiberationSans"; got != want {
		t.Errorf("fonts = %s, want %s", got, want)
	}
}

// facesOf returns the font names of an appearance, run by run.
func facesOf(a *Appearance) string {
	var names []string
	for _, l := range a.layout.lines {
		for _, u := range l.visual() {
			if len(u.glyphs) > 0 && (len(names) == 0 || names[len(names)-1] != u.face.Name()) {
				names = append(names, u.face.Name())
			}
		}
	}
	return strings.Join(names, " ")
}

// layOutText lays out a text with the fonts of testdata in an area.
func layOutText(t *testing.T, s string, area size) layout {
	t.Helper()
	fonts, err := newFontSet(library(t), "sans")
	if err != nil {
		t.Fatal(err)
	}
	txt, err := newText(fonts, velocity.Text{{Text: s}}, "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := place(area, size{}, txt, 10)
	if err != nil {
		t.Fatal(err)
	}
	checkInside(t, l, size{}, txt, 0)
	return l
}

// TestLinesBreakByScript tests that Chinese breaks between characters, but not before a character
// that must not start a line, and that Thai, Arabic and Latin break at blanks.
func TestLinesBreakByScript(t *testing.T) {
	tests := []struct {
		name, text string
		width      float64
		want       string
	}{
		{"chinese", "北京示例科技有限公司，签署人张伟。", 75,
			"北京示例科技|有限公司，签|署人张伟。"},
		{"no comma begins a line", "北京示例科技，有限", 71, "北京示例科|技，有限"},
		{"thai", "ลงนามโดย นายสมชาย", 60,
			"ลงนามโดย|นายสมชาย"},
		{"arabic", "محمد بن عبد الله", 50, "محمد بن|عبد الله"},
		{"latin", "a-b/c d", 36, "a-b/c|d"},
		{"latin beside chinese", "ACME-X北京", 58, "ACME-X|北京"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := layOutText(t, tt.text, size{tt.width, 200})
			if got := strings.Join(l.texts(), "|"); got != tt.want || l.fontSize != 10 {
				t.Errorf("lines = %q in size %g, want %q in size 10", got, l.fontSize, tt.want)
			}
		})
	}
}

// TestBrokenWordsKeepTheirMarks tests that too long words are broken, but never between a letter
// and its marks.
func TestBrokenWordsKeepTheirMarks(t *testing.T) {
	l := layOutText(t, strings.Repeat("น้ำปู่", 12), size{40, 300})
	for _, s := range l.texts() {
		if r := []rune(s)[0]; unicode.IsMark(r) || r == 'ำ' {
			t.Errorf("a line begins with %U of %q", r, s)
		}
	}
	if got, want := strings.Join(l.texts(), ""), strings.Repeat("น้ำปู่", 12); got != want {
		t.Errorf("lines joined = %q, want %q", got, want)
	}
}

// visualText returns a line as it is seen from left to right.
func visualText(l line) string {
	var b strings.Builder
	for _, u := range l.visual() {
		b.WriteString(without(l.of.text[u.start:u.end], invisible))
	}
	return b.String()
}

// TestDirection tests the visual order of lines and their alignment after UAX #9.
func TestDirection(t *testing.T) {
	tests := []struct {
		name  string
		text  velocity.Text
		want  []string // lines
		right []bool   // stands at the right
	}{
		{"latin", velocity.Text{{Text: "abc 1"}}, []string{"abc 1"}, []bool{false}},
		{"hebrew", velocity.Text{{Text: "אבג 12"}}, []string{"12 גבא"}, []bool{true}},
		{"hebrew in latin", velocity.Text{{Text: "by אב גד, 5"}}, []string{"by 5 ,דג בא"}, []bool{false}},
		{
			"a value keeps its place",
			velocity.Text{
				{Text: "by "},
				{Text: "אב", Reference: "$reason"},
				{Text: " 2026, "},
				{Text: "גד 1", Reference: "$location"},
			},
			[]string{"by בא 2026, 1 דג"},
			[]bool{false},
		},
		{"each line its own direction", velocity.Text{{Text: "אב a\na אב"}}, []string{"a בא", "a בא"},
			[]bool{true, false}},
		{"mark", velocity.Text{{Text: "\u200fabc!"}}, []string{"!abc"}, []bool{true}},
		{"override in a template", velocity.Text{{Text: "x\u202eabc\u202c"}}, []string{"xcba"}, []bool{false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fonts, err := newFontSet(nil, "")
			if err != nil {
				t.Fatal(err)
			}
			txt, err := newText(fonts, tt.text, "")
			if err != nil {
				t.Fatal(err)
			}
			l, err := place(size{300, 100}, size{}, txt, 10)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range l.lines {
				if got := visualText(line); got != tt.want[i] || line.rightLeft() != tt.right[i] {
					t.Errorf("line %d = %q, at the right %v, want %q, %v", i, got, line.rightLeft(), tt.want[i], tt.right[i])
				}
			}
		})
	}
}

// TestFallback tests that fonts are chosen run by run, and character by character only if no font
// has a whole run.
func TestFallback(t *testing.T) {
	tests := []struct{ name, font, text, want string }{
		{"built-in alone", "sans", "Signed by João Ελλάδα Україна", "LiberationSans"},
		{"blank between runs of one font", "sans", "محمد بن", "NotoSansArabic-Regular"},
		{"digits beside latin", "sans", "on 12 محمد", "LiberationSans NotoSansArabic-Regular"},
		{"another built-in font", "serif", "a☿", "LiberationSerif LiberationSans"},
		{"asked by name", "noto sans thai", "ลง", "NotoSansThai-Regular"},
		{"composed form", "sans", "\u212b a\u0308", "LiberationSans"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := scriptContent(t, tt.text, false)
			c.Values.Font.Name = tt.font
			a, err := Make(c)
			if err != nil {
				t.Fatal(err)
			}
			if got := facesOf(a); got != tt.want {
				t.Errorf("fonts = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestMakeAtTheSameTime shapes with the same fonts from several goroutines.
func TestMakeAtTheSameTime(t *testing.T) {
	l := library(t)
	var all sync.WaitGroup
	for range 4 {
		for _, tt := range scripts {
			c := scriptContent(t, tt.text, false)
			c.Fonts = l
			all.Go(func() {
				a, err := Make(c)
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
					return
				}
				a.Write(func(pdf.Object) pdf.Ref { return pdf.Ref{Number: 1} }, [6]float64{1, 0, 0, 1, 0, 0})
			})
		}
	}
	all.Wait()
}

// BenchmarkScripts measures visible signatures in other scripts.
func BenchmarkScripts(b *testing.B) {
	l, err := font.OpenLibrary("testdata/fonts")
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range scripts {
		v := signing.VisibleSignature{
			LocationType:   "COORDINATE",
			LocationValue:  "page=1,x=1,y=1",
			Area:           "width=260,height=60",
			OneOffTemplate: tt.text,
		}
		values, err := v.Parse()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := Make(Content{Values: values, Fonts: l})
				if err != nil {
					b.Fatal(err)
				}
				a.Write(func(pdf.Object) pdf.Ref { return pdf.Ref{Number: 1} }, [6]float64{1, 0, 0, 1, 0, 0})
			}
		})
	}
}
