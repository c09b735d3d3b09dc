package font

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/harfbuzz"
	"github.com/go-text/typesetting/language"
)

// Run is a part of a text that is shaped at once. It has one direction and one script.
type Run struct {
	Start, End int // characters of the text
	Script     language.Script
	RightLeft  bool
}

// Glyph is a glyph of a shaped run. Lengths are thousandths of the font size.
type Glyph struct {
	ID      uint16
	First   int // index of the first character that it stands for, alone or with other glyphs
	Advance float64
	X, Y    float64 // offset from the pen position
}

// shaper shapes with one font. It is safe for concurrent use.
type shaper struct {
	mu     sync.Mutex // guards the buffer and the caches of the font
	font   *harfbuzz.Font
	buffer *harfbuzz.Buffer // it caches plans, one for each script, direction and font
	cmap   font.Cmap
}

// layoutTables are the tables that shaping needs. Outlines take most of the memory of a font and
// are not among them.
var layoutTables = []string{
	"GDEF",
	"GPOS",
	"GSUB",
	"OS/2",
	"ankr",
	"cmap",
	"feat",
	"head",
	"hhea",
	"hmtx",
	"kern",
	"kerx",
	"maxp",
	"morx",
}

// newShaper parses the layout tables. A panic of the third-party parser becomes an error, because
// the font comes from outside.
func newShaper(tables map[string][]byte) (_ *shaper, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("read layout tables: %v", r)
		}
	}()
	some := make(map[string][]byte)
	for _, name := range layoutTables {
		if t := tables[name]; t != nil {
			some[name] = t
		}
	}
	face, err := font.ParseTTF(bytes.NewReader(writeSFNT(some)))
	if err != nil {
		return nil, fmt.Errorf("read layout tables: %w", err)
	}
	return &shaper{font: harfbuzz.NewFont(face), buffer: harfbuzz.NewBuffer(), cmap: face.Cmap}, nil
}

// shape returns the glyphs of a run from left to right. Lengths are in font units. A panic becomes
// an error, as in newShaper.
func (s *shaper) shape(text []rune, run Run) (info []harfbuzz.GlyphInfo, pos []harfbuzz.GlyphPosition, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			s.buffer = harfbuzz.NewBuffer()
			err = fmt.Errorf("shape text: %v", r)
		}
	}()
	b := s.buffer
	b.Clear()
	b.ClusterLevel = harfbuzz.MonotoneCharacters
	b.Flags = harfbuzz.RemoveDefaultIgnorables | harfbuzz.DoNotinsertDottedCircle
	b.AddRunes(text, run.Start, run.End-run.Start)
	b.Props = harfbuzz.SegmentProperties{
		Script:    run.Script,
		Direction: harfbuzz.LeftToRight,
		Language:  language.NewLanguage("und"),
	}
	if run.RightLeft {
		b.Props.Direction = harfbuzz.RightToLeft
	}
	b.Shape(s.font, nil)
	return append(info, b.Info...), append(pos, b.Pos...), nil
}

// Shape returns the glyphs of a run from left to right. An error means that the font is damaged.
func (f *Face) Shape(text []rune, run Run) ([]Glyph, error) {
	s, err := f.shaper()
	if err != nil {
		return nil, err
	}
	info, pos, err := s.shape(text, run)
	if err != nil {
		return nil, err
	}
	glyphs := make([]Glyph, len(info))
	for i := range info {
		glyphs[i] = Glyph{
			ID: uint16(info[i].Glyph), First: info[i].Cluster,
			Advance: f.exact(pos[i].XAdvance), X: f.exact(pos[i].XOffset), Y: f.exact(pos[i].YOffset),
		}
	}
	return glyphs, nil
}

// exact converts font units to thousandths of the font size, without rounding.
func (f *Face) exact(units int32) float64 { return float64(units) * 1000 / float64(f.unitsPerEm) }
