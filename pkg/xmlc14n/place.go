package xmlc14n

import (
	"bytes"
	"unicode/utf8"
)

// place is a place in the structure of a document: elements of one name below elements of one
// place. Documents repeat the same structure very often, so each place remembers which elements
// follow it. Then most start tags need no look at single characters.
type place struct {
	name     []byte
	prefixed int // length of the prefix and its colon

	first    *place   // the last element that started as the first child
	next     *place   // the last element that started as the next sibling
	children []*place // some of the places of children
	replaced int      // how many children were forgotten

	bare    []byte // the start tag without attributes
	end     []byte // the end tag
	tag     []byte // the last start tag with attributes that were worth remembering, else empty
	attrs   []Attr // its attributes, which refer to tag
	changes int    // how often tag changed
	started ledTag // the last start tag that startTag returned
	ended   ledTag // the last end tag
	shape   *shape // of the attributes of the last tag that had many; nil if there is none
	shapes  int    // how often the shape changed

	bound   *prefix // what the prefix was found to be
	forgets int     // how often the scope had forgotten prefixes then
}

// ledTag is a tag together with the blanks that stood in front of it. Documents are mostly indented
// in the same way in the same place, so that both can be compared at once.
type ledTag struct {
	text    []byte // empty if no tag is remembered
	lead    int    // length of the blanks
	attrs   []Attr // of a start tag; they refer to place.tag
	changes int    // how often text changed
}

// isAt says whether the tag is remembered and b starts with it.
func (l *ledTag) isAt(b []byte) bool { return len(l.text) > 0 && bytes.HasPrefix(b, l.text) }

// remember keeps a tag, unless it changes often or is long.
func (l *ledTag) remember(text []byte, lead int, attrs []Attr) {
	l.text = l.text[:0]
	if l.changes < maxTailChanges && len(text) <= maxLedTagBytes {
		l.changes++
		l.text = append(l.text, text...)
		l.lead, l.attrs = lead, attrs
	}
}

// newPlace returns a place of elements with the name. All its names share one array.
func newPlace(name []byte, prefixed int) *place {
	text := make([]byte, 0, 2*len(name)+len("<></>"))
	text = append(append(append(text, '<'), name...), '>')
	bare := len(text)
	text = append(append(append(text, "</"...), name...), '>')
	return &place{name: text[1 : bare-1], prefixed: prefixed, bare: text[:bare], end: text[bare:]}
}

// startTag returns which of the tags that are remembered b starts with, and its attributes. It
// returns nil if there is none.
func (p *place) startTag(b []byte) (tag []byte, attrs []Attr) {
	if len(p.tag) > 0 && bytes.HasPrefix(b, p.tag) {
		return p.tag, p.attrs
	}
	if bytes.HasPrefix(b, p.bare) {
		return p.bare, nil
	}
	return nil, nil
}

// prefix returns the prefix, which is empty if there is none.
func (p *place) prefix() []byte { return p.name[:max(0, p.prefixed-1)] }

// lookup returns the prefix in the scope, or nil if it was never declared.
func (p *place) lookup(s *scope) *prefix {
	if p.bound == nil || p.forgets != s.forgets {
		p.bound, p.forgets = s.lookup(p.prefix()), s.forgets
	}
	return p.bound
}

// guess returns the place that is remembered in slot if its name is at the start of b, else nil.
func guess(slot **place, b []byte) *place {
	g := *slot
	if g == nil || len(b) <= len(g.name) || string(b[:len(g.name)]) != string(g.name) {
		return nil
	}
	if c := b[len(g.name)]; classes[c]&nameChar != 0 || c == ':' || c >= utf8.RuneSelf {
		return nil // a longer name
	}
	return g
}

// remember keeps a start tag and its attributes, so that the same tag in the same place need not be
// read again. Tags that change often are not kept.
func (p *place) remember(tag []byte) {
	if bytes.Equal(p.tag, tag) {
		return
	}
	p.tag = p.tag[:0]
	p.started.text = p.started.text[:0]
	if p.changes == maxTailChanges || len(tag)-len(p.name) > maxTailBytes {
		return
	}
	p.changes++
	p.tag = append(p.tag, tag...)
	again := tagReader{attrs: p.attrs}
	again.read(p.tag, len("<")+len(p.name), nil)
	p.attrs = again.attrs
}

// rememberShape keeps the shape of attributes that are in the order of the tag.
func (p *place) rememberShape(attrs []Attr) {
	if p.shapes < maxTailChanges {
		p.shapes++
		p.shape = newShape(attrs)
	}
}

// places holds the places of a document.
type places struct {
	root  place
	known int
	slot  **place // where the next element to start is remembered
}

// child returns the place of the children of p with the name. It forgets another child if p has too
// many.
func (s *places) child(p *place, name []byte, prefixed int) *place {
	for _, c := range p.children {
		if string(c.name) == string(name) {
			return c
		}
	}
	s.known++
	c := newPlace(name, prefixed)
	switch {
	case len(name) > maxKnownNameBytes:
	case len(p.children) < maxKnownChildren:
		p.children = append(p.children, c)
	default:
		p.children[p.replaced%maxKnownChildren] = c
		p.replaced++
	}
	return c
}

// forget drops all places except those of the open elements.
func (s *places) forget(elements []open) {
	s.known = len(elements)
	s.root.first, s.root.children = nil, nil
	for _, e := range elements {
		e.place.first, e.place.next, e.place.children = nil, nil, nil
	}
}
