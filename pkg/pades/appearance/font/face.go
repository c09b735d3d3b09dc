package font

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

//go:embed assets
var assets embed.FS

// maxProgramBytes bounds what a built-in font unpacks to.
const maxProgramBytes = 4 << 20

// Face is a font as it was designed. It is immutable and safe for concurrent use.
type Face struct {
	name       string // PostScript name
	unitsPerEm int
	ascent     int // font units above the baseline
	descent    int // font units below it, positive
	capHeight  int
	lineGap    int
	box        [4]int // of all glyphs, font units
	mono       bool
	serif      bool

	glyphs map[rune]uint16
	tables map[string][]byte
	loca   []uint32 // offsets into glyf; one more than glyphs
	wide   int      // number of long entries of hmtx
}

// Families that Lookup chooses from. Each is unpacked at its first use and then kept: about 0.4 MB.
var (
	serif = sync.OnceValues(func() (*Face, error) { return load("LiberationSerif", false, true) })
	sans  = sync.OnceValues(func() (*Face, error) { return load("LiberationSans", false, false) })
	mono  = sync.OnceValues(func() (*Face, error) { return load("LiberationMono", true, false) })
)

// Lookup returns the face for a font name as a request gives it, in any case: names of well-known sans-serif and fixed-pitch families
// give Liberation Sans and Mono; all others, the empty name too, Liberation Serif. Styles such as bold are not known.
func Lookup(name string) (*Face, error) {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
	for _, word := range []string{"mono", "courier", "cousine", "consolas", "fixed", "typewriter"} {
		if strings.Contains(plain, word) {
			return mono()
		}
	}
	for _, word := range []string{
		"sans", "arial", "arimo", "helvetica", "verdana", "tahoma", "calibri", "trebuchet", "roboto", "segoe", "lato", "inter",
	} {
		if strings.Contains(plain, word) {
			return sans()
		}
	}
	return serif()
}

func load(name string, mono, serif bool) (*Face, error) {
	packed, err := assets.ReadFile("assets/" + name + "-Regular.ttf.gz")
	if err != nil {
		return nil, fmt.Errorf("read font %s: %w", name, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack font %s: %w", name, err)
	}
	program, err := io.ReadAll(io.LimitReader(r, maxProgramBytes))
	if err != nil {
		return nil, fmt.Errorf("unpack font %s: %w", name, err)
	}
	f, err := parse(program)
	if err != nil {
		return nil, fmt.Errorf("parse font %s: %w", name, err)
	}
	f.name, f.mono, f.serif = name, mono, serif
	return f, nil
}

// Name is the PostScript name of the font.
func (f *Face) Name() string { return f.name }

// Ascent is the height above the baseline in thousandths of the font size.
func (f *Face) Ascent() float64 { return float64(f.scale(f.ascent)) }

// Descent is the depth below the baseline, positive, in thousandths of the font size.
func (f *Face) Descent() float64 { return float64(f.scale(f.descent)) }

// Leading is the distance between baselines in thousandths of the font size.
func (f *Face) Leading() float64 { return float64(f.scale(f.ascent + f.descent + f.lineGap)) }

// Has reports whether the face draws r. Scripts that are written from right to left are not drawn, though there are glyphs: without
// reordering they would read backwards.
func (f *Face) Has(r rune) bool { return f.glyph(r) != 0 }

// Advance is the width of r, which the face must have, in thousandths of the font size; whole, so that it is just what the PDF file
// says (ISO 32000-2 9.7.4.3).
func (f *Face) Advance(r rune) int { return f.width(f.glyph(r)) }

func (f *Face) width(g uint16) int {
	advance, _ := f.metrics(g)
	return f.scale(advance)
}

// scale turns font units into thousandths of the font size, rounded.
func (f *Face) scale(units int) int {
	n := units * 1000
	if n < 0 {
		return -(-n + f.unitsPerEm/2) / f.unitsPerEm
	}
	return (n + f.unitsPerEm/2) / f.unitsPerEm
}

func (f *Face) glyph(r rune) uint16 {
	if r >= 0x0590 && r <= 0x08ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff {
		return 0
	}
	return f.glyphs[r]
}
