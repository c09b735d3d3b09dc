package bidi

import (
	"slices"

	"golang.org/x/text/unicode/bidi"
)

type class = bidi.Class

// maxDepth is the highest explicit level (BD2).
const maxDepth = 125

// Paragraph holds the levels of one paragraph. Even levels read from left to right, odd ones from
// right to left.
type Paragraph struct {
	Level  uint8   // of the paragraph: 1 if its first strong character is written from right to left (P2, P3)
	Levels []uint8 // of each character

	original []class
}

// Analyze resolves the levels of a paragraph. The text must not contain paragraph separators.
func Analyze(text []rune) *Paragraph {
	p := &Paragraph{original: make([]class, len(text))}
	for i, r := range text {
		p.original[i] = classOf(r)
	}
	p.Level = firstStrong(p.original, 0, len(text), matchIsolates(p.original))
	p.resolve(text)
	return p
}

// NeedsAnalysis reports whether a text contains characters that can have a level other than 0.
func NeedsAnalysis(text []rune) bool {
	return slices.ContainsFunc(text, func(r rune) bool {
		switch classOf(r) {
		case bidi.R, bidi.AL, bidi.AN, bidi.RLE, bidi.RLO, bidi.RLI, bidi.LRE, bidi.LRO, bidi.LRI, bidi.FSI:
			return true
		}
		return false
	})
}

func classOf(r rune) class {
	properties, _ := bidi.LookupRune(r)
	return properties.Class()
}

// Line returns the levels of one line of the paragraph: the characters from start up to, but not
// including, end. Blanks at its end and before tabs take the level of the paragraph (L1).
func (p *Paragraph) Line(start, end int) []uint8 {
	levels := slices.Clone(p.Levels[start:end])
	trailing := true
	for i := len(levels) - 1; i >= 0; i-- {
		switch c := p.original[start+i]; {
		case c == bidi.S || c == bidi.B:
			trailing = true
			levels[i] = p.Level
		case c == bidi.WS || isolate(c) || c == bidi.PDI || removed(c):
			if trailing {
				levels[i] = p.Level
			}
		default:
			trailing = false
		}
	}
	return levels
}

// VisualOrder returns the order in which runs of the given levels stand from left to right (L2).
func VisualOrder(levels []uint8) []int {
	order := make([]int, len(levels))
	highest := uint8(0)
	for i, l := range levels {
		order[i] = i
		highest = max(highest, l)
	}
	for level := highest; level > 0; level-- {
		for i := 0; i < len(order); i++ {
			end := i
			for end < len(order) && levels[order[end]] >= level {
				end++
			}
			slices.Reverse(order[i:end])
			i = max(i, end-1)
		}
	}
	return order
}

// firstStrong returns the level that the first strong character gives a text, without isolates (P2,
// P3). It returns 0 if there is no strong character.
func firstStrong(classes []class, start, end int, match []int) uint8 {
	for i := start; i < end; i++ {
		switch c := classes[i]; {
		case c == bidi.L:
			return 0
		case c == bidi.R || c == bidi.AL:
			return 1
		case isolate(c):
			if match[i] < 0 {
				return 0
			}
			i = match[i]
		}
	}
	return 0
}

// matchIsolates returns for each isolate initiator the index of its PDI, for each PDI that of its
// initiator, and -1 for all others (BD9).
func matchIsolates(classes []class) []int {
	match := make([]int, len(classes))
	var open []int
	for i, c := range classes {
		match[i] = -1
		switch {
		case isolate(c):
			open = append(open, i)
		case c == bidi.PDI && len(open) > 0:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			match[last], match[i] = i, last
		}
	}
	return match
}

func isolate(c class) bool { return c == bidi.LRI || c == bidi.RLI || c == bidi.FSI }

// removed reports whether the rules leave out a character of this class (X9).
func removed(c class) bool {
	switch c {
	case bidi.LRE, bidi.RLE, bidi.LRO, bidi.RLO, bidi.PDF, bidi.BN:
		return true
	}
	return false
}
