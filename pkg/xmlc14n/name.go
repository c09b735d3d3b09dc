package xmlc14n

import "unicode/utf8"

// elementName is the name of elements. Few names repeat very often in a document, and in the same
// order, so each name remembers which element followed it.
type elementName struct {
	text     []byte
	prefixed int // length of the prefix and its colon

	bound   *prefix // what its prefix was found to be
	forgets int     // how often the scope had forgotten prefixes then

	afterStart *elementName // the element whose start followed the last start of this one
	afterEnd   *elementName // the element whose start followed the last end of this one
}

// prefix returns the prefix, which is empty if there is none.
func (n *elementName) prefix() []byte { return n.text[:max(0, n.prefixed-1)] }

// lookup returns the prefix in the scope, or nil if it was never declared.
func (n *elementName) lookup(s *scope) *prefix {
	if n.bound == nil || n.forgets != s.forgets {
		n.bound, n.forgets = s.lookup(n.prefix()), s.forgets
	}
	return n.bound
}

// names keeps the names of elements, so that most tags need no look at single characters.
type names struct {
	known map[string]*elementName
	next  **elementName // where the name of the next element to start is remembered
}

// guess returns the name at the start of b if it is the remembered one, else nil.
func (n *names) guess(b []byte) *elementName {
	if n.next == nil || *n.next == nil {
		return nil
	}
	g := *n.next
	if len(b) <= len(g.text) || string(b[:len(g.text)]) != string(g.text) {
		return nil
	}
	if c := b[len(g.text)]; classes[c]&nameChar != 0 || c == ':' || c >= utf8.RuneSelf {
		return nil // a longer name
	}
	return g
}

// get returns the name in b and remembers it.
func (n *names) get(b []byte, raw rawName) *elementName {
	text := b[raw.from:raw.to]
	name := n.known[string(text)]
	if name == nil {
		name = &elementName{text: append([]byte(nil), text...), prefixed: raw.colon + 1 - raw.from}
		if len(n.known) >= maxKnownNames || n.known == nil {
			n.known = map[string]*elementName{}
		}
		if len(text) <= maxKnownNameBytes {
			n.known[string(name.text)] = name
		}
	}
	if n.next != nil {
		*n.next = name
	}
	return name
}
