package appearance

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/bidi"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// textWriter writes lines of text as operators of a content stream (ISO 32000-2 9.4).
type textWriter struct {
	b     *bytes.Buffer
	fonts []usedFont // in order of first use

	fontSize float64
	current  int     // of fonts
	rise     float64 // points
	pending  showing
	// pen is where the next glyph would be drawn, and want is where it should be drawn. Both are
	// thousandths of the font size from the left end of the line.
	pen, want float64
}

// usedFont is a font of the text with the subset of its glyphs that is used.
type usedFont struct {
	name   pdf.Name // in the resources
	face   *font.Face
	subset *font.Subset
}

// showing is the operand of the next Tj or TJ.
type showing struct {
	codes []byte // since the last move
	array bytes.Buffer
	moved bool
}

// write writes all lines. The first operator that selects a font sets the size for all lines.
func (w *textWriter) write(color string, l layout) {
	w.fontSize = l.fontSize
	first := w.use(l.lines[0].firstFace())
	fmt.Fprintf(w.b, "BT %s/%s %s Tf %s TL %s %s Td\n", color, w.fonts[first].name, pdf.Real(l.fontSize),
		pdf.Real(l.leading), pdf.Real(l.text.x), pdf.Real(l.text.y))
	for i, line := range l.lines {
		if i > 0 {
			w.b.WriteString("T* ")
		}
		w.pen, w.want = 0, 0
		if line.rightLeft() {
			w.want = l.width - line.width
		}
		w.line(line)
	}
	w.b.WriteString("ET\n")
}

// use returns the index of a font in fonts. It adds the font if it is new.
func (w *textWriter) use(face *font.Face) int {
	i := slices.IndexFunc(w.fonts, func(f usedFont) bool { return f.face == face })
	if i < 0 {
		i = len(w.fonts)
		w.fonts = append(w.fonts, usedFont{pdf.Name(fmt.Sprintf("F%d", i+1)), face, face.NewSubset()})
	}
	return i
}

// line writes the units of a line from left to right.
func (w *textWriter) line(l line) {
	shown := false
	for _, u := range l.visual() {
		for glyphs := u.glyphs; len(glyphs) > 0; shown = true {
			n := 1
			for glyphs[0].actual != "" && n < len(glyphs) && glyphs[n].First == glyphs[0].First {
				n++
			}
			w.group(u.face, glyphs[:n])
			glyphs = glyphs[n:]
		}
	}
	if !shown {
		w.b.WriteString("<> Tj\n")
	}
	w.flush()
}

// group writes glyphs that stand for a text together. If their codes do not lead to this text, it
// is written as ActualText too (ISO 32000-2 14.9.4), so that it can be searched and copied.
func (w *textWriter) group(face *font.Face, glyphs []glyph) {
	to := w.use(face)
	codes := make([]uint16, len(glyphs))
	leads := len(glyphs) == 1 && glyphs[0].actual == glyphs[0].text
	for i, g := range glyphs {
		name := g.text
		if name == "" {
			name = " " // ISO 19005-2 6.2.11.7.2: every glyph has a character
		}
		code, same := w.fonts[to].subset.Glyph(g.ID, name)
		codes[i] = code
		leads = leads && same
	}
	marked := !leads && glyphs[0].actual != ""
	if marked {
		w.flush()
		fmt.Fprintf(w.b, "/Span <</ActualText <FEFF%X>>> BDC\n", font.UTF16(glyphs[0].actual))
	}
	for i, g := range glyphs {
		w.glyph(to, g.Glyph, codes[i])
	}
	if marked {
		w.flush()
		w.b.WriteString("EMC\n")
	}
}

// glyph draws one glyph at its place.
func (w *textWriter) glyph(to int, g font.Glyph, code uint16) {
	if to != w.current {
		w.flush()
		w.current = to
		fmt.Fprintf(w.b, "/%s %s Tf ", w.fonts[to].name, pdf.Real(w.fontSize))
	}
	if rise := g.Y * w.fontSize / 1000; rise != w.rise {
		w.flush()
		w.rise = rise
		fmt.Fprintf(w.b, "%s Ts ", pdf.Real(rise))
	}
	// A difference below a thousandth of the size comes from rounding widths and is invisible. It is
	// carried over to the next glyph.
	if move := math.Round(w.want + g.X - w.pen); math.Abs(w.want+g.X-w.pen) >= 1 {
		w.move(move)
	}
	w.pending.codes = append(w.pending.codes, byte(code>>8), byte(code))
	w.pen += float64(w.fonts[to].face.Width(g.ID))
	w.want += g.Advance
}

// move moves the pen to the right.
func (w *textWriter) move(thousandths float64) {
	s := &w.pending
	if len(s.codes) > 0 {
		fmt.Fprintf(&s.array, "<%X> ", s.codes)
		s.codes = nil
	}
	fmt.Fprintf(&s.array, "%d ", -int(thousandths))
	s.moved = true
	w.pen += thousandths
}

// flush writes the pending operator.
func (w *textWriter) flush() {
	s := &w.pending
	switch {
	case s.moved:
		if len(s.codes) > 0 {
			fmt.Fprintf(&s.array, "<%X>", s.codes)
		}
		fmt.Fprintf(w.b, "[%s] TJ\n", bytes.TrimRight(s.array.Bytes(), " "))
	case len(s.codes) > 0:
		fmt.Fprintf(w.b, "<%X> Tj\n", s.codes)
	}
	w.pending = showing{}
}

// firstFace returns the font of the first glyph of a line. For an empty line it returns the
// preferred font of the paragraph.
func (l line) firstFace() *font.Face {
	for _, u := range l.visual() {
		if len(u.glyphs) > 0 {
			return u.face
		}
	}
	return l.of.primary
}

// visual returns the line's units from left to right.
func (l line) visual() []unit {
	units := l.of.units[l.start:l.end]
	if l.of.bidi == nil || len(units) == 0 {
		return units
	}
	from := units[0].start
	levels := l.of.bidi.Line(from, units[len(units)-1].end)
	of := make([]uint8, len(units))
	for i, u := range units {
		of[i] = levels[u.start-from]
	}
	out := make([]unit, len(units))
	for i, at := range bidi.VisualOrder(of) {
		out[i] = units[at]
	}
	return out
}
