package appearance

import (
	"slices"

	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/segmenter"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/bidi"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
)

// paragraph is one shaped line of the template. It is wrapped into lines between its units.
type paragraph struct {
	text  []rune
	units []unit
	bidi  *bidi.Paragraph // nil if the whole text runs from left to right
	words []word
	// offsets are the positions of the units if all stand on one line, in thousandths of the font
	// size. There is one more than units. They avoid measuring a long word again each time it is
	// broken.
	offsets []float64
	primary *font.Face // the preferred font
}

// unit is never split: a character with its marks, or several characters that one glyph draws.
type unit struct {
	start, end int // characters
	face       *font.Face
	glyphs     []glyph // from left to right
	width      float64 // thousandths of the font size
	blank      bool
}

// glyph is a glyph and the text that it stands for.
type glyph struct {
	font.Glyph
	text string
	// actual is the text for which all neighbours with the same First stand together. It is empty for
	// a glyph that was not shaped.
	actual string
}

// cell is a grapheme with the properties that decide which graphemes are shaped together.
type cell struct {
	start, end int
	script     language.Script
	face       *font.Face
	level      uint8
}

// shapedWith reports whether two neighbours are shaped together.
func (c cell) shapedWith(other cell) bool {
	return c.face == other.face && c.level == other.level && c.script == other.script
}

// newParagraph shapes a line. It calls missing with each grapheme that no font has, and the
// position of its first character.
func newParagraph(fonts *fontSet, text []rune, missing func(at int, grapheme []rune)) (*paragraph, error) {
	cells, text, err := divide(fonts, text, missing)
	if err != nil {
		return nil, err
	}
	p := &paragraph{text: text, primary: fonts.primary()}
	if bidi.NeedsAnalysis(text) {
		p.bidi = bidi.Analyze(text)
		for i := range cells {
			cells[i].level = p.bidi.Levels[cells[i].start]
		}
	}
	for len(cells) > 0 {
		n := 1
		for n < len(cells) && cells[n].shapedWith(cells[0]) {
			n++
		}
		if err := p.shape(cells[:n]); err != nil {
			return nil, err
		}
		cells = cells[n:]
	}
	p.offsets = make([]float64, len(p.units)+1)
	for i, u := range p.units {
		p.offsets[i+1] = p.offsets[i] + u.width
	}
	p.words = p.findWords()
	return p, nil
}

// divide cuts a line into graphemes and chooses the font of each. The returned text may contain
// other forms of the same characters.
func divide(fonts *fontSet, text []rune, missing func(int, []rune)) ([]cell, []rune, error) {
	var s segmenter.Segmenter
	s.Init(text)
	var cells []cell
	for i := s.GraphemeIterator(); i.Next(); {
		g := i.Grapheme()
		c := cell{start: g.Offset, end: g.Offset + len(g.Text), script: language.Common}
		for _, r := range g.Text {
			if c.script = scriptOf(r); c.script != language.Common {
				break
			}
		}
		cells = append(cells, c)
	}
	if err := fonts.assign(cells, text); err != nil {
		return nil, nil, err
	}
	out, err := assignAlone(fonts, cells, text, missing)
	if err != nil {
		return nil, nil, err
	}
	// Characters that scripts share are shaped with the characters before them, and at the start of
	// the line with those after them.
	for i := 1; i < len(cells); i++ {
		if cells[i].script == language.Common && cells[i].face == cells[i-1].face {
			cells[i].script = cells[i-1].script
		}
	}
	for i := len(cells) - 2; i >= 0; i-- {
		if cells[i].script == language.Common && cells[i].face == cells[i+1].face {
			cells[i].script = cells[i+1].script
		}
	}
	return cells, out, nil
}

// shape adds the units of neighbours with the same font, level and script.
func (p *paragraph) shape(cells []cell) error {
	first := cells[0]
	if first.face.BuiltIn() && first.level%2 == 0 && plain(first.script) {
		for _, c := range cells {
			p.units = append(p.units, p.plainUnit(c))
		}
		return nil
	}
	rightLeft := first.level%2 == 1
	run := font.Run{Start: first.start, End: cells[len(cells)-1].end, Script: first.script, RightLeft: rightLeft}
	glyphs, err := first.face.Shape(p.text, run)
	if err != nil {
		return err
	}
	if rightLeft {
		slices.Reverse(glyphs) // now in the order of the text
	}
	p.units = append(p.units, p.unitsOf(cells, glyphs, rightLeft)...)
	return nil
}

// plainUnit returns the unit of a cell that is drawn without shaping.
func (p *paragraph) plainUnit(c cell) unit {
	u := unit{start: c.start, end: c.end, face: c.face}
	for _, r := range p.text[c.start:c.end] {
		if invisible(r) && (r != graphemeJoiner || !c.face.Has(r)) {
			continue
		}
		g := font.Glyph{ID: c.face.Glyph(r), Advance: float64(c.face.Advance(r))}
		u.glyphs = append(u.glyphs, glyph{Glyph: g, text: string(r)})
		u.width += g.Advance
	}
	u.blank = string(p.text[u.start:u.end]) == " "
	return u
}

// unitsOf groups glyphs, which are in the order of the text, into units. A unit ends where both a
// grapheme and a group of glyphs end.
func (p *paragraph) unitsOf(cells []cell, glyphs []font.Glyph, rightLeft bool) []unit {
	var units []unit
	end := cells[len(cells)-1].end
	for len(cells) > 0 {
		u := unit{start: cells[0].start, end: cells[0].end, face: cells[0].face}
		cells = cells[1:]
		n := 0
		for {
			for n < len(glyphs) && glyphs[n].First < u.end {
				n++
			}
			next := end // where the next glyph starts
			if n < len(glyphs) {
				next = glyphs[n].First
			}
			// The glyphs so far may also stand for characters of the next graphemes, as a ligature does.
			if len(cells) == 0 || next <= cells[0].start {
				break
			}
			u.end = cells[0].end
			cells = cells[1:]
		}
		u.glyphs = p.named(u.face, glyphs[:n], u.end)
		if rightLeft {
			slices.Reverse(u.glyphs)
		}
		for _, g := range u.glyphs {
			u.width += g.Advance
		}
		u.blank = string(p.text[u.start:u.end]) == " "
		glyphs = glyphs[n:]
		units = append(units, u)
	}
	return units
}

// named finds out for which text each glyph stands. The glyphs are in the order of the text and
// cover it up to end.
func (p *paragraph) named(face *font.Face, glyphs []font.Glyph, end int) []glyph {
	var out []glyph
	for len(glyphs) > 0 {
		n := 1
		for n < len(glyphs) && glyphs[n].First == glyphs[0].First {
			n++
		}
		to := end
		if n < len(glyphs) {
			to = glyphs[n].First
		}
		text := p.text[glyphs[0].First:to]
		actual := without(text, turning)
		for _, g := range glyphs[:n] {
			named := glyph{Glyph: g, text: without(text, invisible), actual: actual}
			// One of several glyphs stands for a character alone if it is the font's glyph for this
			// character.
			if i := slices.IndexFunc(text, func(r rune) bool { return face.Glyph(r) == g.ID }); n > 1 && i >= 0 {
				named.text = string(text[i])
			}
			out = append(out, named)
		}
		glyphs = glyphs[n:]
	}
	return out
}

// without returns text without the characters for which some is true.
func without(text []rune, some func(rune) bool) string {
	return string(slices.DeleteFunc(slices.Clone(text), some))
}
