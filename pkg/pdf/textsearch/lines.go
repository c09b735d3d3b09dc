package textsearch

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How characters are joined to words, in font sizes. Readers that take text out of pages work with
// about the same figures.
const (
	sameLine  = 0.25 // baselines that differ less are one line
	wordGap   = 0.15 // a wider gap between characters is a blank
	leastGap  = 0.05 // and from here on if a blank is shown in it
	looseGap  = 1.0  // a gap up to this one may be letter-spacing
	sameSpot  = 0.3  // of its own width: a character shown again this near is the same, made bold
	maxDegree = 180

	unknown = "\ufffd" // stands for a character that is not known
)

// placed is a character in the lines of its direction: along the line to the right, across it
// upwards.
type placed struct {
	along, across float64
	width, size   float64
	index         int // of the character
}

// look searches what was collected of the page.
func (s *search) look() {
	if !s.needle.possible(s.characters) {
		return
	}
	for _, group := range s.directions() {
		for line := range lines(group) {
			s.lookInLine(line)
			if s.bestRank == rankAlone {
				return
			}
		}
	}
}

// directions parts the characters by the direction in which the reader of the page sees them
// written, in whole degrees: upright text first.
func (s *search) directions() [][]placed {
	groups := map[int][]placed{}
	for i, c := range s.characters {
		advance, up, at := s.seen(c.advance), s.seen(c.up), s.seen(c.at)
		if advance == (Point{}) {
			advance = Point{up.Y, -up.X}
		}
		size := math.Hypot(up.X, up.Y)
		if size == 0 || advance == (Point{}) {
			continue
		}
		degree := int(math.Round(math.Atan2(advance.Y, advance.X) * maxDegree / math.Pi))
		sin, cos := math.Sincos(float64(degree) * math.Pi / maxDegree)
		groups[degree] = append(groups[degree], placed{
			along: at.X*cos + at.Y*sin, across: at.Y*cos - at.X*sin,
			width: math.Hypot(c.advance.X, c.advance.Y), size: size, index: i,
		})
	}
	degrees := make([]int, 0, len(groups))
	for d := range groups {
		degrees = append(degrees, d)
	}
	slices.SortFunc(degrees, func(a, b int) int { return cmp.Or(cmp.Compare(abs(a), abs(b)), cmp.Compare(a, b)) })
	out := make([][]placed, len(degrees))
	for i, d := range degrees {
		out[i] = groups[d]
	}
	return out
}

func abs(n int) int { return max(n, -n) }

// seen turns a vector of default user space as the reader sees it: x to the right, y upwards.
func (s *search) seen(p Point) Point {
	switch s.current.Rotate {
	case 90:
		return Point{p.Y, -p.X}
	case 180:
		return Point{-p.X, -p.Y}
	case 270:
		return Point{-p.Y, p.X}
	}
	return p
}

// lines parts characters of one direction into lines, from top to bottom, each from left to right.
func lines(group []placed) func(yield func([]placed) bool) {
	slices.SortStableFunc(group, func(a, b placed) int { return cmp.Compare(b.across, a.across) })
	return func(yield func([]placed) bool) {
		for len(group) > 0 {
			n := 1
			for n < len(group) && group[0].across-group[n].across < sameLine*group[0].size {
				n++
			}
			line := group[:n]
			group = group[n:]
			slices.SortStableFunc(line, func(a, b placed) int { return cmp.Compare(a.along, b.along) })
			if !yield(line) {
				return
			}
		}
	}
}

// run is a line as a string, with the character that each byte comes from.
type run struct {
	text strings.Builder
	from []int32
}

func (r *run) add(text string, index int) {
	r.text.WriteString(text)
	for range len(text) {
		r.from = append(r.from, int32(index))
	}
}

// blank adds one blank, unless there is one.
func (r *run) blank(index int) {
	if n := r.text.Len(); n > 0 && r.text.String()[n-1] != ' ' {
		r.add(" ", index)
	}
}

// lookInLine searches one line: as it is, then taking gaps for letter-spacing. A blank that is
// shown counts only where there is a gap: some files fill lines with blanks and show other text
// over them.
func (s *search) lookInLine(line []placed) {
	var strict, loose run
	spaced, blank := false, false
	var before *placed // the last character that is no blank
	beforeText := ""
	for i := range line {
		p := &line[i]
		text := plain(s.characters[p.index].text)
		switch {
		case s.characters[p.index].text == "":
			text = unknown
		case strings.TrimSpace(text) == "":
			blank = blank || text != ""
			continue
		case before != nil && text == beforeText && p.along-before.along < sameSpot*before.width:
			continue
		}
		if before != nil {
			gap := (p.along - before.along - before.width) / before.size
			shown := blank && gap > leastGap
			if shown || gap > wordGap {
				strict.blank(p.index)
			}
			if shown || gap > looseGap {
				loose.blank(p.index)
			} else if gap > wordGap {
				spaced = true
			}
		}
		strict.add(text, p.index)
		loose.add(text, p.index)
		before, beforeText, blank = p, text, false
	}
	s.lookInRun(&strict, false)
	if spaced {
		s.lookInRun(&loose, true)
	}
}

func (s *search) lookInRun(r *run, loose bool) {
	text := r.text.String()
	for at := 0; ; {
		i := strings.Index(text[at:], s.needle.text)
		if i < 0 {
			return
		}
		from, to := at+i, at+i+len(s.needle.text)
		found := rankInside
		switch {
		case loose:
			found = rankSpaced
		case s.needle.alone(text[:from], text[to:]):
			found = rankAlone
		}
		if found > s.bestRank {
			s.bestRank, s.best = found, s.match(int(r.from[from]), int(r.from[to-1]))
		}
		if s.bestRank == rankAlone {
			return
		}
		_, n := utf8.DecodeRuneInString(text[from:])
		at = from + n
	}
}

// match is the place from one character to another of the same line.
func (s *search) match(first, last int) *Match {
	a, b := s.characters[first], s.characters[last]
	end := Point{b.at.X + b.advance.X, b.at.Y + b.advance.Y}
	lift := func(p Point, c character, by float32) Point {
		return Point{p.X + c.up.X*float64(by), p.Y + c.up.Y*float64(by)}
	}
	return &Match{Index: s.index, Page: s.current, Corners: [4]Point{
		lift(a.at, a, a.descent), lift(end, b, b.descent), lift(end, b, b.ascent), lift(a.at, a, a.ascent),
	}}
}

// rank says how well an occurrence fits.
type rank int

const (
	rankSpaced rank = iota + 1 // its letters are spaced
	rankInside                 // inside of another word
	rankAlone
)

// needle is the word that is searched for.
type needle struct {
	text  string
	runes map[rune]bool
}

func newNeedle(word string) needle {
	n := needle{text: plain(strings.Join(strings.Fields(word), " ")), runes: map[rune]bool{}}
	for _, r := range n.text {
		if r != ' ' { // a gap may stand for it
			n.runes[r] = true
		}
	}
	return n
}

func (n needle) empty() bool { return n.text == "" }

// possible reports whether all of the word's characters are there.
func (n needle) possible(characters []character) bool {
	missing := len(n.runes)
	seen := make(map[rune]bool, missing)
	for i := range characters {
		for _, r := range plain(characters[i].text) {
			if n.runes[r] && !seen[r] {
				seen[r] = true
				missing--
			}
		}
		if missing == 0 {
			return true
		}
	}
	return missing == 0
}

// alone reports whether the word is not part of a longer one.
func (n needle) alone(before, after string) bool {
	first, _ := utf8.DecodeRuneInString(n.text)
	last, _ := utf8.DecodeLastRuneInString(n.text)
	left, _ := utf8.DecodeLastRuneInString(before)
	right, _ := utf8.DecodeRuneInString(after)
	return !(wordRune(first) && wordRune(left)) && !(wordRune(last) && wordRune(right))
}

func wordRune(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// ligatures are characters that stand for several.
var ligatures = strings.NewReplacer(
	"ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl", "ﬅ", "ft", "ﬆ", "st",
	"\u00a0", " ", "\u00ad", "", "\u2011", "-", "\u200b", "",
)

// plain takes ligatures apart and unifies blanks.
func plain(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return ligatures.Replace(s)
		}
	}
	return s
}
