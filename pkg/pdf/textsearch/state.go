package textsearch

import "math"

// matrix is a transformation as in the standard: x' = a x + c y + e, y' = b x + d y + f.
type matrix struct{ a, b, c, d, e, f float64 }

var identity = matrix{a: 1, d: 1}

// times returns m followed by n (ISO 32000-2 8.3.4: M' = m x n).
func (m matrix) times(n matrix) matrix {
	return matrix{
		m.a*n.a + m.b*n.c, m.a*n.b + m.b*n.d,
		m.c*n.a + m.d*n.c, m.c*n.b + m.d*n.d,
		m.e*n.a + m.f*n.c + n.e, m.e*n.b + m.f*n.d + n.f,
	}
}

// point returns the transformed point x, y.
func (m matrix) point(x, y float64) Point {
	return Point{m.a*x + m.c*y + m.e, m.b*x + m.d*y + m.f}
}

func move(x, y float64) matrix { return matrix{a: 1, d: 1, e: x, f: y} }

// nearPage reports whether p is near enough to be on a page.
func (p Point) nearPage() bool {
	return math.Abs(p.X) < maxSize && math.Abs(p.Y) < maxSize // false for NaN
}

// state is the part of the graphics state that affects where characters are (ISO 32000-2 8.4.1,
// 9.3.1).
type state struct {
	ctm       matrix
	font      *font
	size      float64 // Tf
	charSpace float64 // Tc
	wordSpace float64 // Tw
	scale     float64 // Tz / 100
	leading   float64 // TL
	rise      float64 // Ts

	text, line matrix // Tm and Tlm; not saved by q, which does not matter within a text object
}

func newState() state { return state{ctm: identity, scale: 1, text: identity, line: identity} }

// nextLine is the operator Td.
func (s *state) nextLine(x, y float64) {
	s.line = move(x, y).times(s.line)
	s.text = s.line
}

// character is one shown character and its place in default user space.
type character struct {
	text    string  // usually one rune; empty if it is unknown
	at      Point   // left end on the baseline
	advance Point   // vector to the right end
	up      Point   // vector of one font size upwards from the baseline
	ascent  float32 // in font sizes
	descent float32 // in font sizes, negative
}
