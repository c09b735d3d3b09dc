package appearance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
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

// scripts are texts that the fonts of testdata draw, alone or together with the built-in ones. found is what a search must find; poppler
// gives lines that are written from right to left in the order in which they are read.
var scripts = []struct {
	name, text string
	found      []string
}{
	{"arabic", "محمد بن عبد الله\nفاتورة ١٢٣، لا", []string{"محمد بن عبد الله", "فاتورة", "١٢٣"}},
	{"hebrew", "משה כהן\nחשבון 123 (מקור)", []string{"משה כהן", "חשבון", "123", "מקור"}},
	{"chinese", "签署人：张伟（发票专用章）\n北京示例科技有限公司", []string{"签署人：张伟（发票专用章）", "北京示例科技有限公司"}},
	{"thai", "ลงนามโดย นายสมชาย ใจดี\nที่กรุงเทพฯ น้ำ ปู่", []string{"ลงนามโดย นายสมชาย ใจดี", "ที่กรุงเทพฯ น้ำ ปู่"}},
	{"devanagari", "हस्ताक्षरित श्री कुमार\nहिन्दी में र्क्ति।", []string{"हस्ताक्षरित श्री कुमार", "हिन्दी में र्क्ति।"}},
	{"mixed", "Signed by محمد (ACME 12) on 2026\nShalom שלום, 北京 ∰ น้ำ!", []string{"Signed by", "محمد", "שלום", "北京", "น้ำ"}},
}

func scriptContent(t *testing.T, text string, pdfa bool) Content {
	t.Helper()
	return content(t, func(v *signing.VisibleSignature, c *Content) {
		v.LocationValue, v.Area, v.AreaBackgroundColor = "page=1,x=20,y=20", "width=260,height=60", "#FFE9C0"
		v.OneOffTemplate, v.Font, v.ImageType, v.Image, c.Image = text, "size=18,name=sans", "", nil, nil
		c.Fonts, c.PDFA = library(t), pdfa
	})
}

// TestRenderedScripts holds pictures of texts in many scripts against pictures that were looked at.
func TestRenderedScripts(t *testing.T) {
	for _, tt := range scripts {
		t.Run(tt.name, func(t *testing.T) {
			file := stamp(t, onePage(pageSpec{media: "[0 0 300 100]"}), scriptContent(t, tt.text, false))
			compare(t, filepath.Join("testdata", "render", "script-"+tt.name+".png"), render(t, file, 108))
		})
	}
}

// TestScriptStructure holds every object of these appearances against golden ones: glyphs, their positions, fonts.
func TestScriptStructure(t *testing.T) {
	var got bytes.Buffer
	for _, tt := range scripts {
		fmt.Fprintf(&got, "== %s\n", tt.name)
		describe(t, &got, onePage(pageSpec{}), scriptContent(t, tt.text, false))
	}
	compareGolden(t, "testdata/scripts.golden", got.Bytes())
}

// TestScriptsInOtherReaders wants other readers to find the files sound and the text in them.
func TestScriptsInOtherReaders(t *testing.T) {
	for _, tt := range scripts {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stamped.pdf")
			if err := os.WriteFile(path, stamp(t, onePage(pageSpec{media: "[0 0 300 100]"}), scriptContent(t, tt.text, true)), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(tool(t, "qpdf"), "--check", path).CombinedOutput(); err != nil {
				t.Errorf("qpdf: %v\n%s", err, out)
			}
			out, err := exec.Command(tool(t, "mutool"), "draw", "-o", filepath.Join(t.TempDir(), "page.png"), path).CombinedOutput()
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

// unmarked drops the marks of direction that pdftotext writes, and joins its lines and blanks.
func unmarked(s string) string {
	s = strings.Map(func(r rune) rune {
		if turning(r) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
