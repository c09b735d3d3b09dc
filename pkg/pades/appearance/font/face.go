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

// maxProgramBytes bounds the unpacked size of a built-in font.
const maxProgramBytes = 4 << 20

// Face is one complete font. It is immutable and safe for concurrent use.
type Face struct {
	program
	name   string // PostScript name
	mono   bool
	serif  bool
	italic bool

	glyphs map[rune]uint16 // only of a built-in font; other fonts use the shaper
	file   string          // where it was read from; empty if built in
	names  []string        // of the family, for Library.Find
	shaper func() (*shaper, error)
}

// Families that Lookup chooses from. Each is unpacked at its first use and then kept in memory,
// about 0.4 MB each.
var (
	serif = sync.OnceValues(func() (*Face, error) { return load("LiberationSerif", false, true) })
	sans  = sync.OnceValues(func() (*Face, error) { return load("LiberationSans", false, false) })
	mono  = sync.OnceValues(func() (*Face, error) { return load("LiberationMono", true, false) })
)

// Lookup returns the built-in face for a font name in a request, whatever its case. Names of
// well-known sans-serif and fixed-pitch families give Liberation Sans and Mono. All other names,
// also the empty name, give Liberation Serif. Styles such as bold are ignored.
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
		"sans", "arial", "arimo", "helvetica", "verdana", "tahoma", "calibri", "trebuchet", "roboto", "segoe",
		"lato", "inter",
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
	content, err := io.ReadAll(io.LimitReader(r, maxProgramBytes))
	if err != nil {
		return nil, fmt.Errorf("unpack font %s: %w", name, err)
	}
	p, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("parse font %s: %w", name, err)
	}
	glyphs, err := p.unicodeMap()
	if err != nil {
		return nil, fmt.Errorf("parse font %s: %w", name, err)
	}
	f := &Face{program: *p, name: name, mono: mono, serif: serif, glyphs: glyphs}
	// The shaper is made on demand, because few signatures need it.
	f.shaper = sync.OnceValues(func() (*shaper, error) { return newShaper(f.tables) })
	return f, nil
}

// Name returns the PostScript name of the font.
func (f *Face) Name() string { return f.name }

// Ascent returns the height above the baseline in thousandths of the font size.
func (f *Face) Ascent() float64 { return float64(f.scale(f.ascent)) }

// Descent returns the depth below the baseline, positive, in thousandths of the font size.
func (f *Face) Descent() float64 { return float64(f.scale(f.descent)) }

// Leading returns the distance between baselines in thousandths of the font size.
func (f *Face) Leading() float64 { return float64(f.scale(f.ascent + f.descent + f.lineGap)) }

// BuiltIn reports whether the face is one of those that Lookup returns.
func (f *Face) BuiltIn() bool { return f.file == "" }

// Has reports whether the face has a glyph for r.
func (f *Face) Has(r rune) bool { return f.Glyph(r) != 0 }

// Drawable returns nil if the outline of a glyph can be embedded. An error means that the font is
// damaged.
func (f *Face) Drawable(g uint16) error {
	if f.cff == nil {
		return nil
	}
	_, err := f.cff.charstring(int(g))
	return err
}

// Width returns the width of a glyph in thousandths of the font size, as the PDF file states it
// (ISO 32000-2 9.7.4.3).
func (f *Face) Width(g uint16) int { return f.width(g) }

// Advance returns the width of r, which the face must have, in thousandths of the font size. It is
// rounded to a whole number, exactly as the PDF file states it (ISO 32000-2 9.7.4.3).
func (f *Face) Advance(r rune) int { return f.width(f.Glyph(r)) }

func (f *Face) width(g uint16) int {
	advance, _ := f.metrics(g)
	return f.scale(advance)
}

// scale converts font units to thousandths of the font size, rounded.
func (f *Face) scale(units int) int {
	n := units * 1000
	if n < 0 {
		return -(-n + f.unitsPerEm/2) / f.unitsPerEm
	}
	return (n + f.unitsPerEm/2) / f.unitsPerEm
}

// Glyph returns the glyph of a character before shaping, or 0 if the face has none.
func (f *Face) Glyph(r rune) uint16 {
	if f.glyphs != nil {
		return f.glyphs[r]
	}
	s, err := f.shaper()
	if err != nil {
		return 0
	}
	g, ok := s.cmap.Lookup(r)
	if !ok || int(g) >= f.count {
		return 0
	}
	return uint16(g)
}
