package textsearch

import (
	"cmp"
	"math"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// How characters are joined to words. The unit is the font size. Other readers that extract text
// use about the same values.
const (
	sameLine  = 0.25 // baselines that differ less are one line
	wordGap   = 0.15 // a wider gap between characters is a blank
	leastGap  = 0.05 // a wider gap is a blank if the page also shows a blank there
	looseGap  = 1.0  // a gap up to this width may be letter-spacing
	sameSpot  = 0.3  // in widths of the character: the same character again at this distance makes it bold
	maxDegree = 180
)

// placed is a character relative to the lines of its direction: along points along the line to the
// right, across points upwards.
type placed struct {
	along, across float64
	width, size   float64
	index         int // of the character
}

// pageText is the characters of one page, or of a part of it.
type pageText struct {
	page       *pdf.Page
	index      int // of the page, from 0
	characters []character
}

// directions groups the characters by the direction in which the reader of the page sees them
// written, in whole degrees. Upright text comes first.
func (t *pageText) directions() [][]placed {
	groups := map[int][]placed{}
	for i, c := range t.characters {
		advance, up, at := t.seen(c.advance), t.seen(c.up), t.seen(c.at)
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

// seen converts a vector of default user space to what the reader sees: x to the right, y upwards.
func (t *pageText) seen(p Point) Point {
	switch t.page.Rotate {
	case 90:
		return Point{p.Y, -p.X}
	case 180:
		return Point{-p.X, -p.Y}
	case 270:
		return Point{-p.Y, p.X}
	}
	return p
}

// lines splits characters of one direction into lines, from top to bottom, and each line from left
// to right.
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

// match returns the place from one character to another one of the same line.
func (t *pageText) match(first, last int) *Match {
	a, b := t.characters[first], t.characters[last]
	end := Point{b.at.X + b.advance.X, b.at.Y + b.advance.Y}
	lift := func(p Point, c character, by float32) Point {
		return Point{p.X + c.up.X*float64(by), p.Y + c.up.Y*float64(by)}
	}
	return &Match{Index: t.index, Page: t.page, Corners: [4]Point{
		lift(a.at, a, a.descent), lift(end, b, b.descent), lift(end, b, b.ascent), lift(a.at, a, a.ascent),
	}}
}
