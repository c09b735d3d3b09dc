package bidi

import (
	"slices"

	"golang.org/x/text/unicode/bidi"
)

// maxOpenBrackets is how many brackets may be open at once. With more, no pairs are found at all
// (BD16).
const maxOpenBrackets = 63

// brackets applies N0: paired brackets take the direction of the text that they enclose.
func (s *sequence) brackets() {
	embedding := direction(s.level)
	for _, pair := range s.pairs() {
		found := bidi.ON
		for _, c := range s.classes[pair[0]+1 : pair[1]] {
			if c = strongOf(c); c == embedding {
				found = c
				break
			} else if c == bidi.L || c == bidi.R {
				found = c
			}
		}
		if found == bidi.ON {
			continue
		}
		if found != embedding && s.before(pair[0]) != found {
			found = embedding
		}
		s.setBracket(pair[0], found)
		s.setBracket(pair[1], found)
	}
}

// before returns the direction of the last strong character before index i.
func (s *sequence) before(i int) class {
	for i--; i >= 0; i-- {
		if c := strongOf(s.classes[i]); c == bidi.L || c == bidi.R {
			return c
		}
	}
	return s.sos
}

// setBracket sets the class of a bracket and of the marks on it.
func (s *sequence) setBracket(i int, c class) {
	s.classes[i] = c
	for i++; i < len(s.classes) && s.original[i] == bidi.NSM; i++ {
		s.classes[i] = c
	}
}

// pairs returns the bracket pairs, sorted by their opening brackets (BD16).
func (s *sequence) pairs() [][2]int {
	type opened struct {
		closing rune
		at      int
	}
	var open []opened
	var pairs [][2]int
	for i, r := range s.text {
		properties, _ := bidi.LookupRune(r)
		if s.classes[i] != bidi.ON || !properties.IsBracket() {
			continue
		}
		if properties.IsOpeningBracket() {
			if len(open) == maxOpenBrackets {
				return nil
			}
			open = append(open, opened{closingOf(r), i})
			continue
		}
		if r == 0x232a {
			r = 0x3009 // canonically equivalent
		}
		for j := len(open) - 1; j >= 0; j-- {
			if open[j].closing == r {
				pairs = append(pairs, [2]int{open[j].at, i})
				open = open[:j]
				break
			}
		}
	}
	slices.SortFunc(pairs, func(a, b [2]int) int { return a[0] - b[0] })
	return pairs
}

// closingOf returns the closing bracket for an opening one (BidiBrackets.txt). It is almost always
// the next character.
func closingOf(r rune) rune {
	switch r {
	case '[', '{', 0xff3b, 0xff5b:
		return r + 2
	case 0x298d:
		return 0x2990
	case 0x298f:
		return 0x298e
	case 0x2329:
		return 0x3009
	}
	return r + 1
}
