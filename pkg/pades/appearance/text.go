package appearance

import (
	"errors"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/bidi"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// text is the text to lay out. Lengths are thousandths of the font size, and are the maximum over
// all fonts in use.
type text struct {
	paragraphs               []*paragraph
	ascent, descent, leading float64
}

// source is a character of the rendered template and the piece that it comes from.
type source struct {
	r     rune
	piece int
}

// newText shapes a rendered template, line by line. It drops empty lines at both ends. It returns
// KindVisible if no font has a character.
func newText(fonts *fontSet, pieces velocity.Text, template string) (*text, error) {
	t := &text{}
	for _, l := range linesOf(pieces) {
		characters, pieceOf := isolated(l, pieces)
		missing := make(map[int]*missing)
		p, err := newParagraph(fonts, characters, func(at int, grapheme []rune) {
			addMissing(missing, fonts, pieceOf[at], pieces, template, grapheme)
		})
		if err == nil {
			err = firstMissing(missing)
		}
		if err == nil {
			err = p.checkDrawable()
		}
		if err != nil {
			return nil, err
		}
		t.paragraphs = append(t.paragraphs, p)
	}
	t.measure(fonts)
	return t, nil
}

// linesOf cuts the text at line feeds and turns tabs into blanks. It drops characters that take no
// part in the layout, blanks at the ends of lines, and empty lines at both ends.
func linesOf(pieces velocity.Text) [][]source {
	lines := [][]source{nil}
	for i, piece := range pieces {
		for _, r := range piece.Text {
			last := &lines[len(lines)-1]
			switch {
			case r == '\n':
				lines = append(lines, nil)
			case r == '\t':
				for range tabBlanks {
					*last = append(*last, source{' ', i})
				}
			case kept(r):
				*last = append(*last, source{r, i})
			}
		}
	}
	for i, l := range lines {
		for len(l) > 0 && l[len(l)-1].r == ' ' {
			l = l[:len(l)-1]
		}
		lines[i] = l
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	for len(lines) > 0 && len(lines[0]) == 0 {
		lines = lines[1:]
	}
	return lines
}

// isolated returns the characters of a line and the piece of each. If some are written from right
// to left, it isolates the values of references (UAX #9, 2.4.2). Otherwise a name in Arabic would
// move the date that follows it.
func isolated(l []source, pieces velocity.Text) (characters []rune, pieceOf []int) {
	add := func(r rune, piece int) {
		characters = append(characters, r)
		pieceOf = append(pieceOf, piece)
	}
	for _, s := range l {
		add(s.r, s.piece)
	}
	if !bidi.NeedsAnalysis(characters) {
		return characters, pieceOf
	}
	characters, pieceOf = nil, nil
	for i, s := range l {
		value := pieces[s.piece].Reference != ""
		if value && (i == 0 || l[i-1].piece != s.piece) {
			add(firstStrongIsolate, s.piece)
		}
		add(s.r, s.piece)
		if value && (i+1 == len(l) || l[i+1].piece != s.piece) {
			add(popIsolate, s.piece)
		}
	}
	return characters, pieceOf
}

func (t *text) empty() bool { return len(t.paragraphs) == 0 }

// measure takes the height of a line from the fonts in use.
func (t *text) measure(fonts *fontSet) {
	var faces []*font.Face
	for _, p := range t.paragraphs {
		for _, u := range p.units {
			if !slices.Contains(faces, u.face) {
				faces = append(faces, u.face)
			}
		}
	}
	if len(faces) == 0 {
		faces = append(faces, fonts.primary())
	}
	for _, f := range faces {
		t.ascent, t.descent, t.leading = max(t.ascent, f.Ascent()), max(t.descent, f.Descent()), max(t.leading, f.Leading())
	}
	if len(faces) > 1 { // ascent and descent may come from different fonts, whose lines must not touch
		t.leading = max(t.leading, t.ascent+t.descent)
	}
}

// checkDrawable refuses a glyph that cannot be embedded. Only a damaged font has such a glyph.
func (p *paragraph) checkDrawable() error {
	for _, u := range p.units {
		for _, g := range u.glyphs {
			err := u.face.Drawable(g.ID)
			if g.ID == 0 {
				err = errors.New("it has no glyph")
			}
			if err != nil {
				return signing.Errorf(signing.KindVisible, "the visible signature's text: font %s cannot draw %q: %v",
					u.face.Name(), g.text, err)
			}
		}
	}
	return nil
}

// addMissing records the characters of a grapheme that no font has, with the field that they come
// from.
func addMissing(
	by map[int]*missing, fonts *fontSet, piece int, pieces velocity.Text, template string, grapheme []rune,
) {
	m := by[piece]
	if m == nil {
		m = &missing{field: fieldOf(pieces[piece], template)}
		by[piece] = m
	}
	for _, r := range grapheme {
		// If each character is in some font, but no font has all, name those that the first font lacks.
		if alone, _ := fonts.find([]rune{r}); (alone == nil || !fonts.primary().Has(r)) && !invisible(r) &&
			!slices.Contains(m.runes, r) {
			m.runes = append(m.runes, r)
		}
	}
}

// firstMissing returns the error for the first piece of a line with characters that no font has. It
// returns nil if there is none.
func firstMissing(by map[int]*missing) error {
	first := -1
	for piece := range by {
		if first < 0 || piece < first {
			first = piece
		}
	}
	if first < 0 {
		return nil
	}
	return by[first].error()
}
