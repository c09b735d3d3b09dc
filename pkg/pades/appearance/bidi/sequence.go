package bidi

import "golang.org/x/text/unicode/bidi"

// sequence is an isolating run sequence (BD13): characters of one level that the weak and neutral
// rules treat as neighbours.
type sequence struct {
	at       []int   // indices into the text
	classes  []class // of those characters, resolved step by step
	original []class // of those characters before any rule
	text     []rune
	level    uint8
	sos, eos class
}

// resolve applies all rules to the paragraph.
func (p *Paragraph) resolve(text []rune) {
	p.Levels = make([]uint8, len(text))
	match := matchIsolates(p.original)
	e := explicit{p: p, classes: append([]class(nil), p.original...), match: match}
	classes := e.run()
	for _, s := range p.sequences(text, classes, match) {
		s.weak()
		s.brackets()
		s.neutrals()
		s.implicit(p.Levels)
	}
	// A character that the rules leave out takes the level of the character before it.
	for i, c := range p.original {
		if removed(c) {
			p.Levels[i] = p.Level
			if i > 0 {
				p.Levels[i] = p.Levels[i-1]
			}
		}
	}
}

// sequences divides the paragraph into isolating run sequences (X10).
func (p *Paragraph) sequences(text []rune, classes []class, match []int) []*sequence {
	var kept []int // indices of the characters that X9 leaves
	for i, c := range p.original {
		if !removed(c) {
			kept = append(kept, i)
		}
	}
	var all []*sequence
	open := make(map[int]*sequence) // keyed by the isolate initiator at whose PDI the sequence continues
	for start := 0; start < len(kept); {
		end := start + 1
		for end < len(kept) && p.Levels[kept[end]] == p.Levels[kept[start]] {
			end++
		}
		first, last := kept[start], kept[end-1]
		s := open[match[first]]
		if p.original[first] != bidi.PDI || match[first] < 0 || s == nil {
			s = &sequence{level: p.Levels[first], sos: direction(max(p.Levels[first], p.levelAt(kept, start-1)))}
			all = append(all, s)
		}
		s.add(kept[start:end], text, classes, p.original)
		after := p.levelAt(kept, end)
		if isolate(p.original[last]) {
			after = p.Level
			if match[last] >= 0 {
				open[last] = s
			}
		}
		s.eos = direction(max(s.level, after))
		start = end
	}
	return all
}

func (p *Paragraph) levelAt(kept []int, i int) uint8 {
	if i < 0 || i >= len(kept) {
		return p.Level
	}
	return p.Levels[kept[i]]
}

func (s *sequence) add(at []int, text []rune, classes, original []class) {
	for _, i := range at {
		s.at = append(s.at, i)
		s.classes = append(s.classes, classes[i])
		s.original = append(s.original, original[i])
		s.text = append(s.text, text[i])
	}
}

func direction(level uint8) class {
	if level%2 == 1 {
		return bidi.R
	}
	return bidi.L
}

// weak applies the rules W1 to W7.
func (s *sequence) weak() {
	s.marks()
	s.numbers()
	s.separators()
	strong := s.sos
	for i, c := range s.classes {
		switch c {
		case bidi.L, bidi.R:
			strong = c
		case bidi.ES, bidi.ET, bidi.CS: // W6
			s.classes[i] = bidi.ON
		case bidi.EN: // W7
			if strong == bidi.L {
				s.classes[i] = bidi.L
			}
		}
	}
}

// marks applies W1: a mark takes the class of the character that it stands on.
func (s *sequence) marks() {
	before := s.sos
	for i, c := range s.classes {
		if c == bidi.NSM {
			s.classes[i] = before
		}
		before = s.classes[i]
		if isolate(before) || before == bidi.PDI {
			before = bidi.ON
		}
	}
}

// numbers applies W2 and W3: European digits after an Arabic letter become Arabic digits.
func (s *sequence) numbers() {
	strong := s.sos
	for i, c := range s.classes {
		switch c {
		case bidi.L, bidi.R, bidi.AL:
			strong = c
		case bidi.EN:
			if strong == bidi.AL {
				s.classes[i] = bidi.AN
			}
		}
	}
	for i, c := range s.classes {
		if c == bidi.AL {
			s.classes[i] = bidi.R
		}
	}
}

// separators applies W4 and W5: separators between digits, and terminators beside digits, belong to
// the number.
func (s *sequence) separators() {
	c := s.classes
	for i := 1; i+1 < len(c); i++ {
		if c[i-1] == c[i+1] &&
			(c[i-1] == bidi.EN && (c[i] == bidi.ES || c[i] == bidi.CS) || c[i-1] == bidi.AN && c[i] == bidi.CS) {
			c[i] = c[i-1]
		}
	}
	for i := 0; i < len(c); {
		end := i
		for end < len(c) && c[end] == bidi.ET {
			end++
		}
		if i > 0 && c[i-1] == bidi.EN || end < len(c) && c[end] == bidi.EN {
			for ; i < end; i++ {
				c[i] = bidi.EN
			}
		}
		i = end + 1
	}
}

// neutrals applies N1 and N2.
func (s *sequence) neutrals() {
	c := s.classes
	for i := 0; i < len(c); {
		end := i
		for end < len(c) && neutral(c[end]) {
			end++
		}
		if end == i {
			i++
			continue
		}
		before, after := s.sos, s.eos
		if i > 0 {
			before = strongOf(c[i-1])
		}
		if end < len(c) {
			after = strongOf(c[end])
		}
		to := direction(s.level)
		if before == after {
			to = before
		}
		for ; i < end; i++ {
			c[i] = to
		}
	}
}

func neutral(c class) bool {
	return c == bidi.B || c == bidi.S || c == bidi.WS || c == bidi.ON || c == bidi.PDI || isolate(c)
}

// strongOf returns the direction that a resolved character has for its neighbours. Numbers count as
// R.
func strongOf(c class) class {
	if c == bidi.EN || c == bidi.AN {
		return bidi.R
	}
	return c
}

// implicit applies I1 and I2.
func (s *sequence) implicit(levels []uint8) {
	for i, at := range s.at {
		levels[at] = s.level
		switch c := s.classes[i]; {
		case s.level%2 == 1 && c != bidi.R, s.level%2 == 0 && c == bidi.R:
			levels[at]++
		case s.level%2 == 0 && (c == bidi.AN || c == bidi.EN):
			levels[at] += 2
		}
	}
}
