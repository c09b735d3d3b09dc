package appearance

import (
	"cmp"
	"slices"

	"github.com/go-text/typesetting/language"
	"golang.org/x/text/unicode/norm"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
)

// fontSet holds the fonts that a text may be drawn with, in order of preference.
type fontSet struct {
	faces []*font.Face
	rest  []string // built-in families that are loaded only if no other font has a character
}

// newFontSet returns the font that the request names, which is an operator's or a built-in font,
// followed by the operator's fonts in their order.
func newFontSet(l *font.Library, name string) (*fontSet, error) {
	first := l.Find(name)
	if first == nil {
		var err error
		if first, err = font.Lookup(name); err != nil {
			return nil, err
		}
	}
	s := &fontSet{faces: []*font.Face{first}, rest: []string{"serif", "sans", "mono"}}
	for _, f := range l.Faces() {
		if f != first {
			s.faces = append(s.faces, f)
		}
	}
	return s, nil
}

func (s *fontSet) primary() *font.Face { return s.faces[0] }

// find returns the first font that has all characters of text, or nil.
func (s *fontSet) find(text []rune) (*font.Face, error) {
	for i := 0; ; i++ {
		for i == len(s.faces) {
			if len(s.rest) == 0 {
				return nil, nil
			}
			f, err := font.Lookup(s.rest[0])
			if err != nil {
				return nil, err
			}
			s.rest = s.rest[1:]
			if !slices.Contains(s.faces, f) {
				s.faces = append(s.faces, f)
			}
		}
		if covers(s.faces[i], text) {
			return s.faces[i], nil
		}
	}
}

// findEquivalent is like find, for one character with its marks. If no font has it, the composed
// and the decomposed form are tried (UAX #15). The form that the font has is returned too.
func (s *fontSet) findEquivalent(text []rune) (*font.Face, []rune, error) {
	f, err := s.find(text)
	if f != nil || err != nil {
		return f, text, err
	}
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		other := []rune(form.String(string(text)))
		if slices.Equal(other, text) {
			continue
		}
		if f, err := s.find(other); f != nil || err != nil {
			return f, other, err
		}
	}
	return nil, text, nil
}

func covers(f *font.Face, text []rune) bool {
	return !slices.ContainsFunc(text, func(r rune) bool { return !invisible(r) && !f.Has(r) })
}

// assign gives each run of one script the first font that has all its characters, or nil. A run of
// characters that scripts share gets the font of its neighbours if both have the same font, and the
// first font otherwise.
func (s *fontSet) assign(cells []cell, text []rune) error {
	runs := runsOf(cells)
	for _, common := range []bool{false, true} {
		for i, run := range runs {
			if (run[0].script == language.Common) != common {
				continue
			}
			all := text[run[0].start:run[len(run)-1].end]
			face, err := s.between(runs, i, all)
			if err != nil {
				return err
			}
			for j := range run {
				run[j].face = face
			}
		}
	}
	return nil
}

// runsOf cuts the cells into runs of one script.
func runsOf(cells []cell) [][]cell {
	var runs [][]cell
	for len(cells) > 0 {
		n := 1
		for n < len(cells) && cells[n].script == cells[0].script {
			n++
		}
		runs = append(runs, cells[:n])
		cells = cells[n:]
	}
	return runs
}

// between returns the font for the text of run i.
func (s *fontSet) between(runs [][]cell, i int, all []rune) (*font.Face, error) {
	if runs[i][0].script != language.Common {
		return s.find(all)
	}
	var before, after *font.Face
	if i > 0 {
		before = runs[i-1][0].face
	}
	if i+1 < len(runs) {
		after = runs[i+1][0].face
	}
	if before == nil || after == nil {
		before, after = cmp.Or(before, after), cmp.Or(after, before)
	}
	choices := []*font.Face{s.primary(), before, after}
	if before == after {
		choices = []*font.Face{before, s.primary()}
	}
	for _, f := range choices {
		if f != nil && covers(f, all) {
			return f, nil
		}
	}
	return s.find(all)
}

// assignAlone gives each grapheme without a font the first font that has it. It returns the text
// with the forms of the characters that the fonts have.
func assignAlone(fonts *fontSet, cells []cell, text []rune, missing func(int, []rune)) ([]rune, error) {
	out := make([]rune, 0, len(text))
	for i := range cells {
		c := &cells[i]
		grapheme := text[c.start:c.end]
		if c.face == nil {
			var err error
			if c.face, grapheme, err = fonts.findEquivalent(grapheme); err != nil {
				return nil, err
			}
			if c.face == nil {
				missing(c.start, grapheme)
				c.face = fonts.primary()
			}
		}
		c.start = len(out)
		out = append(out, grapheme...)
		c.end = len(out)
	}
	return out, nil
}
