package appearance

import (
	"slices"

	"github.com/go-text/typesetting/segmenter"
)

// word is a group of units that stay on one line if possible, with the blanks before them. Widths
// are thousandths of the font size.
type word struct {
	blanks, start, end int // first blank, first unit after the blanks, end of the units
	before             float64
	width              float64
}

// findWords cuts a paragraph at blanks and, in scripts without blanks, where UAX #14 allows a line
// break.
func (p *paragraph) findWords() []word {
	breaks := p.breaks()
	var words []word
	for at := 0; at < len(p.units); {
		w := word{blanks: at}
		for at < len(p.units) && p.units[at].blank {
			w.before += p.units[at].width
			at++
		}
		w.start = at
		for at < len(p.units) && !p.units[at].blank && (at == w.start || !breaks[p.units[at].start]) {
			w.width += p.units[at].width
			at++
		}
		w.end = at
		words = append(words, w)
	}
	return words
}

// breaks returns the characters before which a line may break although there is no blank.
func (p *paragraph) breaks() map[int]bool {
	if !slices.ContainsFunc(p.text, breaksAnywhere) {
		return nil
	}
	breaks := make(map[int]bool)
	var s segmenter.Segmenter
	s.Init(p.text)
	for i := s.LineIterator(); i.Next(); {
		at := i.Line().Offset
		if at > 0 && (breaksAnywhere(p.text[at-1]) || breaksAnywhere(p.text[at])) {
			breaks[at] = true
		}
	}
	return breaks
}

// line is a part of a paragraph that stands on one line.
type line struct {
	of         *paragraph
	start, end int // units
	width      float64
}

// wrap breaks the paragraph into lines no wider than limit. It returns false if a word is wider
// than limit and breaking is false. A paragraph without words becomes one empty line.
func (p *paragraph) wrap(limit float64, breaking bool) (lines []line, ok bool) {
	l := line{of: p}
	flush := func(next int) {
		lines = append(lines, l)
		l = line{of: p, start: next, end: next}
	}
	for i, w := range p.words {
		if i > 0 && l.width+w.before+w.width > limit {
			flush(w.start) // the blanks before the word are dropped at the break
		} else {
			l.end = w.start
			l.width += w.before
		}
		for width := w.width; l.width+width > limit; {
			head, headWidth := p.head(w.start, w.end, limit-l.width)
			if !breaking || head == w.start && l.width == 0 {
				return nil, false
			}
			l.end = head
			l.width += headWidth
			flush(head)
			w.start = head
			width = p.widthOf(head, w.end)
		}
		l.end = w.end
		l.width += p.widthOf(w.start, w.end)
	}
	return append(lines, l), true
}

// head returns how far the units from start fit into limit: the index after the last unit that
// fits, and their width.
func (p *paragraph) head(start, end int, limit float64) (int, float64) {
	width := 0.0
	for i := start; i < end; i++ {
		if width+p.units[i].width > limit {
			return i, width
		}
		width += p.units[i].width
	}
	return end, width
}

func (p *paragraph) widthOf(start, end int) float64 { return p.offsets[end] - p.offsets[start] }

// rightLeft reports whether the line starts at the right.
func (l line) rightLeft() bool { return l.of.bidi != nil && l.of.bidi.Level == 1 }

// String returns the text of the line in reading order.
func (l line) String() string {
	if l.start == l.end {
		return ""
	}
	return string(l.of.text[l.of.units[l.start].start:l.of.units[l.end-1].end])
}
