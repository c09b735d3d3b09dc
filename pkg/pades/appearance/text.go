package appearance

import (
	"errors"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/bidi"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// text is what is to be set. Lengths are thousandths of the font size, the greatest of all fonts
// that are used.
type text struct {
	paragraphs               []*paragraph
	ascent, descent, leading float64
}

// source is a character of the rendered template and the piece that it comes from.
type source struct {
	r     rune
	piece int
}

// newText shapes a rendered template, line by line. Empty lines at both ends are dropped. Its error
// is KindVisible where no font has a character.
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

// linesOf cuts the text at line feeds, turns tabs into blanks and drops characters that take no
// part, blanks at the ends of lines, and empty lines at both ends.
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

// isolated returns a line's characters and the piece of each. Where some are written from right to
// left it isolates the values of references (UAX #9, 2.4.2): a name in Arabic must not carry the
// date away that stands behind it.
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
	if len(faces) > 1 { // the highest and the deepest font may be two, and must not touch
		t.leading = max(t.leading, t.ascent+t.descent)
	}
}

// checkDrawable refuses glyphs that cannot be embedded, which only a damaged font has.
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

// addMissing notes the characters of a grapheme that no font has, with the field of their piece.
func addMissing(
	by map[int]*missing, fonts *fontSet, piece int, pieces velocity.Text, template string, grapheme []rune,
) {
	m := by[piece]
	if m == nil {
		m = &missing{field: fieldOf(pieces[piece], template)}
		by[piece] = m
	}
	for _, r := range grapheme {
		// Where fonts have each character, but none has all, the first font decides which ones are named.
		if alone, _ := fonts.find([]rune{r}); (alone == nil || !fonts.primary().Has(r)) && !invisible(r) &&
			!slices.Contains(m.runes, r) {
			m.runes = append(m.runes, r)
		}
	}
}

// firstMissing is the error of the first piece of a line with characters that no font has.
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
