package bidi

import "golang.org/x/text/unicode/bidi"

// status is an entry of the directional status stack (BD16, X1).
type status struct {
	level    uint8
	override class // L or R; ON means none
	isolate  bool
}

// explicit applies the rules X1 to X8.
type explicit struct {
	p       *Paragraph
	classes []class
	match   []int
	stack   []status

	overflowIsolates, overflowEmbeddings, validIsolates int
}

// run sets the levels after embeddings, overrides and isolates. It returns the classes after
// overrides.
func (e *explicit) run() []class {
	e.stack = []status{{level: e.p.Level, override: bidi.ON}}
	for i, c := range e.p.original {
		e.p.Levels[i] = e.top().level
		switch {
		case c == bidi.LRE || c == bidi.RLE || c == bidi.LRO || c == bidi.RLO:
			e.embed(c)
		case isolate(c):
			e.override(i)
			e.isolate(i, c)
		case c == bidi.PDI:
			e.endIsolate()
			e.p.Levels[i] = e.top().level
			e.override(i)
		case c == bidi.PDF:
			e.endEmbedding()
		case c == bidi.BN:
		default:
			e.override(i)
		}
	}
	return e.classes
}

func (e *explicit) top() status { return e.stack[len(e.stack)-1] }

func (e *explicit) override(i int) {
	if o := e.top().override; o != bidi.ON {
		e.classes[i] = o
	}
}

// next returns the lowest higher level that is odd or even, as requested. It returns false if the
// level is too high.
func (e *explicit) next(odd bool) (uint8, bool) {
	level := e.top().level + 1
	if (level%2 == 1) != odd {
		level++
	}
	return level, level <= maxDepth && e.overflowIsolates == 0 && e.overflowEmbeddings == 0
}

// embed applies X2 to X5.
func (e *explicit) embed(c class) {
	level, ok := e.next(c == bidi.RLE || c == bidi.RLO)
	switch {
	case !ok && e.overflowIsolates == 0:
		e.overflowEmbeddings++
	case ok:
		override := bidi.ON
		switch c {
		case bidi.LRO:
			override = bidi.L
		case bidi.RLO:
			override = bidi.R
		}
		e.stack = append(e.stack, status{level: level, override: override})
	}
}

// isolate applies X5a to X5c.
func (e *explicit) isolate(i int, c class) {
	odd := c == bidi.RLI
	if c == bidi.FSI {
		end := e.match[i]
		if end < 0 {
			end = len(e.p.original)
		}
		odd = firstStrong(e.p.original, i+1, end, e.match) == 1
	}
	level, ok := e.next(odd)
	if !ok {
		e.overflowIsolates++
		return
	}
	e.validIsolates++
	e.stack = append(e.stack, status{level: level, override: bidi.ON, isolate: true})
}

// endIsolate applies X6a.
func (e *explicit) endIsolate() {
	switch {
	case e.overflowIsolates > 0:
		e.overflowIsolates--
	case e.validIsolates > 0:
		e.overflowEmbeddings = 0
		for !e.top().isolate {
			e.stack = e.stack[:len(e.stack)-1]
		}
		e.stack = e.stack[:len(e.stack)-1]
		e.validIsolates--
	}
}

// endEmbedding applies X7.
func (e *explicit) endEmbedding() {
	switch {
	case e.overflowIsolates > 0:
	case e.overflowEmbeddings > 0:
		e.overflowEmbeddings--
	case !e.top().isolate && len(e.stack) > 1:
		e.stack = e.stack[:len(e.stack)-1]
	}
}
