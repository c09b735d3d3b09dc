package textsearch

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const unknown = "\ufffd" // stands for an unknown character

// finder looks for the best occurrence of a word.
type finder struct {
	needle needle
	best   *Match
	rank   rank // of best; 0 if there is none
}

// look searches the characters of a page.
func (f *finder) look(t *pageText) {
	if !f.needle.possible(t.characters) {
		return
	}
	for _, group := range t.directions() {
		for line := range lines(group) {
			f.line(t, line)
			if f.rank == rankAlone {
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

// blank adds a blank unless the run already ends with one.
func (r *run) blank(index int) {
	if n := r.text.Len(); n > 0 && r.text.String()[n-1] != ' ' {
		r.add(" ", index)
	}
}

// line searches one line: first as it is, then with gaps taken as letter-spacing. A blank that is
// shown counts only if there is a gap, because some files fill lines with blanks and show other
// text over them.
func (f *finder) line(t *pageText, line []placed) {
	var strict, loose run
	spaced, blank := false, false
	var before *placed // the last character that is not a blank
	beforeText := ""
	for i := range line {
		p := &line[i]
		text := normalize(t.characters[p.index].text)
		switch {
		case t.characters[p.index].text == "":
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
	f.run(t, &strict, false)
	if spaced {
		f.run(t, &loose, true)
	}
}

// run searches the text of a line. loose means that gaps were taken as letter-spacing.
func (f *finder) run(t *pageText, r *run, loose bool) {
	text := r.text.String()
	for at := 0; ; {
		i := strings.Index(text[at:], f.needle.text)
		if i < 0 {
			return
		}
		from, to := at+i, at+i+len(f.needle.text)
		found := rankInside
		switch {
		case loose:
			found = rankSpaced
		case f.needle.alone(text[:from], text[to:]):
			found = rankAlone
		}
		if found > f.rank {
			f.rank, f.best = found, t.match(int(r.from[from]), int(r.from[to-1]))
		}
		if f.rank == rankAlone {
			return
		}
		_, n := utf8.DecodeRuneInString(text[from:])
		at = from + n
	}
}

// rank is how well an occurrence fits; higher is better.
type rank int

const (
	rankSpaced rank = iota + 1 // its letters are spaced
	rankInside                 // inside another word
	rankAlone
)

// needle is the word to search for.
type needle struct {
	text  string
	runes map[rune]bool
}

func newNeedle(word string) needle {
	n := needle{text: normalize(strings.Join(strings.Fields(word), " ")), runes: map[rune]bool{}}
	for _, r := range n.text {
		if r != ' ' { // a gap may replace it
			n.runes[r] = true
		}
	}
	return n
}

func (n needle) empty() bool { return n.text == "" }

// possible reports whether all characters of the word occur.
func (n needle) possible(characters []character) bool {
	missing := len(n.runes)
	seen := make(map[rune]bool, missing)
	for i := range characters {
		for _, r := range normalize(characters[i].text) {
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

// alone reports whether the word is not part of a longer word. before and after are the text around
// it.
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

// ligatures replaces characters that stand for several, and special blanks and hyphens.
var ligatures = strings.NewReplacer("ﬀ", "ff", "ﬁ", "fi", "ﬂ", "fl", "ﬃ", "ffi", "ﬄ", "ffl", "ﬅ", "ft", "ﬆ", "st",
	"\u00a0", " ", "\u00ad", "", "\u2011", "-", "\u200b", "")

// normalize splits ligatures and unifies blanks.
func normalize(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return ligatures.Replace(s)
		}
	}
	return s
}
