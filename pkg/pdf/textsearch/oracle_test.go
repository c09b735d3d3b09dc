package textsearch

import (
	"bytes"
	"context"
	"encoding/xml"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// word is a word as pdftotext -bbox reports it. The unit is points from the top left corner of the
// visible page.
type word struct {
	Text string  `xml:",chardata"`
	X0   float64 `xml:"xMin,attr"`
	Y0   float64 `xml:"yMin,attr"`
	X1   float64 `xml:"xMax,attr"`
	Y1   float64 `xml:"yMax,attr"`
	page int
}

// program returns the path of an external program. If it is missing the test is skipped, but fails
// in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// oracle returns the words of a file that pdftotext reports, except those of annotations. It
// returns nil if qpdf cannot read the file.
func oracle(t *testing.T, path string) []word {
	t.Helper()
	qpdf, pdftotext := program(t, "qpdf"), program(t, "pdftotext")
	bare := filepath.Join(t.TempDir(), "bare.pdf")
	if err := exec.Command(
		qpdf, "--qdf", "--object-streams=disable", "--decrypt", "--warning-exit-0", path, bare,
	).Run(); err != nil {
		return nil
	}
	file, err := os.ReadFile(bare)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bare, bytes.ReplaceAll(file, []byte("/Annots"), []byte("/Nothing")[:7]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(pdftotext, "-bbox", "-cropbox", bare, "-").Output()
	if err != nil {
		return nil
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(string(out), "?"))
	var doc struct {
		Pages []struct {
			Words []word `xml:"word"`
		} `xml:"body>doc>page"`
	}
	d := xml.NewDecoder(strings.NewReader(clean))
	d.Strict = false
	if err := d.Decode(&doc); err != nil {
		t.Logf("%s: pdftotext: %v", path, err)
	}
	var words []word
	for i, p := range doc.Pages {
		for _, w := range p.Words {
			w.page = i
			words = append(words, w)
		}
	}
	return words
}

// plainWord reports whether all readers agree where the word starts and ends.
func plainWord(s string) bool {
	n := 0
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) || r >= 0x0590 && r <= 0x08ff {
			return false
		}
		n++
	}
	return n >= 4
}

// unique returns up to limit words that occur once in the document. They are spread over the whole
// document.
func unique(words []word, limit int) []word {
	all := make([]string, 0, len(words))
	for _, w := range words {
		all = append(all, w.Text)
	}
	text := " " + strings.Join(all, " ") + " "
	var out []word
	step := max(1, len(words)/(4*limit))
	for i := 0; i < len(words) && len(out) < limit; i += step {
		if w := words[i]; plainWord(w.Text) && strings.Count(text, w.Text) == 1 {
			out = append(out, w)
		}
	}
	return out
}

// corner returns a point as the reader of the page sees it, counted from the top left corner of the
// visible page.
func corner(p *pdf.Page, at Point) (u, v float64) {
	b := p.CropBox
	switch p.Rotate {
	case 90:
		return at.Y - b.Y0, at.X - b.X0
	case 180:
		return b.X1 - at.X, at.Y - b.Y0
	case 270:
		return b.Y1 - at.Y, b.X1 - at.X
	}
	return at.X - b.X0, b.Y1 - at.Y
}

// box returns what a match covers as the reader sees it.
func box(m *Match) (x0, y0, x1, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, c := range m.Corners {
		u, v := corner(m.Page, c)
		x0, y0, x1, y1 = min(x0, u), min(y0, v), max(x1, u), max(y1, v)
	}
	return x0, y0, x1, y1
}

// agrees reports whether a match is where the oracle has the word. The left ends may differ by a
// fifth of the height of the line, and the bottoms by a third, because readers take the heights of
// fonts from different places.
func agrees(m *Match, w word) bool {
	x0, _, _, y1 := box(m)
	height := math.Min(w.Y1-w.Y0, w.X1-w.X0)
	return m.Index == w.page && math.Abs(x0-w.X0) <= 0.2*height+0.5 && math.Abs(y1-w.Y1) <= 0.34*height+0.5
}

// samples are the repository's own invoices and forms.
const samples = "../../../hack/samples"

// TestCorpus compares the places of words with those of pdftotext, for the files in the folder that
// SIGNSTASH_CORPUS names, or else for the samples of the repository.
func TestCorpus(t *testing.T) {
	folder := os.Getenv("SIGNSTASH_CORPUS")
	limit := 12 // words of one file
	if folder == "" {
		folder, limit = samples, 5
	}
	var paths []string
	for _, pattern := range []string{"*.pdf", "*.Pdf", "pdf/*.pdf", "pdf/*.Pdf"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	total, right := 0, 0
	for _, path := range paths {
		n, ok := compareFile(t, path, limit)
		total, right = total+n, right+ok
	}
	t.Logf("%d of %d words found where pdftotext has them", right, total)
	if total < 20 {
		t.Errorf("only %d words were looked for: the test says little", total)
	}
	if float64(right) < 0.97*float64(total) {
		t.Errorf("%d of %d words found where pdftotext has them, want 97 %%", right, total)
	}
}

func compareFile(t *testing.T, path string, limit int) (total, right int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	words := unique(oracle(t, path), limit)
	for _, w := range words {
		d, err := pdf.Open(file, info.Size())
		if err != nil {
			return 0, 0
		}
		start := time.Now()
		m, err := Find(context.Background(), d, w.Text)
		took := time.Since(start)
		total++
		switch {
		case err != nil:
			t.Logf("%s: Find(%q): %v", filepath.Base(path), w.Text, err)
		case m == nil:
			t.Logf("%s: %q not found, want page %d", filepath.Base(path), w.Text, w.page)
		case !agrees(m, w):
			x0, y0, x1, y1 := box(m)
			t.Logf("%s: %q on page %d at %.1f %.1f %.1f %.1f, want page %d at %.1f %.1f %.1f %.1f", filepath.Base(path), w.Text,
				m.Index, x0, y0, x1, y1, w.page, w.X0, w.Y0, w.X1, w.Y1)
		default:
			right++
		}
		if took > 2*time.Second {
			t.Logf("%s: Find took %v", filepath.Base(path), took)
		}
	}
	return total, right
}
