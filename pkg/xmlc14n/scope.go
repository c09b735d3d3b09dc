package xmlc14n

import (
	"bytes"
	"slices"
)

const (
	xmlNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
)

// none is the index of a binding that does not exist.
const none = -1

// prefix is a namespace prefix that was seen, or "" for the default namespace.
type prefix struct {
	name string
	top  int // index of the binding in force, or none
}

// binding is a namespace declaration in scope.
type binding struct {
	prefix *prefix
	uri    []byte
	text   []byte // the declaration in canonical form, after a blank
	outer  int    // index of the binding of the same prefix that this one hides, or none
}

// open is an open element. All fields tell what to restore when it is closed.
type open struct {
	place     *place
	binding   int32 // of its name, or none
	arena     int32
	bindings  int32
	inherited int32
}

// inheritable is an attribute of the xml namespace on an open element.
type inheritable struct {
	local, value []byte
	depth        int
}

// scope holds what an element inherits from the open elements.
type scope struct {
	arena     []byte // bytes of bindings and inherited
	nameBytes int    // bytes of the names of elements
	elements  []open
	bindings  []binding
	inherited []inheritable
	base      int // depth of the element around the fragment, 0 in a document

	prefixes map[string]*prefix
	forgets  int         // how often prefixes were forgotten
	recent   [32]*prefix // small cache in front of prefixes
	unnamed  *prefix     // the prefix of the default namespace
}

func (s *scope) init() {
	s.prefixes = map[string]*prefix{}
	s.unnamed = s.intern(nil)
	// The prefix xml is bound without a declaration (Namespaces in XML 1.0, section 3).
	s.bind([]byte("xml"), []byte(xmlNamespace))
}

func (s *scope) depth() int { return s.base + len(s.elements) }

// keep copies b into the arena.
func (s *scope) keep(b []byte) []byte {
	at := len(s.arena)
	s.arena = append(s.arena, b...)
	return s.arena[at:len(s.arena):len(s.arena)]
}

// slot returns the place of a prefix in the cache.
func (s *scope) slot(name []byte) **prefix {
	if len(name) == 0 {
		return &s.unnamed
	}
	return &s.recent[(int(name[0])+3*int(name[len(name)/2])+5*int(name[len(name)-1])+len(name))%len(s.recent)]
}

// lookup returns the prefix, or nil if it was never declared.
func (s *scope) lookup(name []byte) *prefix {
	slot := s.slot(name)
	if p := *slot; p != nil && p.name == string(name) {
		return p
	}
	p := s.prefixes[string(name)]
	if p != nil {
		*slot = p
	}
	return p
}

// intern returns the prefix and creates it if necessary.
func (s *scope) intern(name []byte) *prefix {
	if p := s.prefixes[string(name)]; p != nil {
		return p
	}
	if len(s.prefixes) >= maxPrefixes {
		s.forget()
	}
	p := &prefix{name: string(name), top: none}
	s.prefixes[p.name] = p
	return p
}

// forget drops the prefixes that are not in scope.
func (s *scope) forget() {
	s.forgets++
	clear(s.recent[:])
	for name, p := range s.prefixes {
		if p.top == none && name != "" {
			delete(s.prefixes, name)
		}
	}
}

// bind puts a namespace declaration into scope.
func (s *scope) bind(name, uri []byte) {
	p := s.intern(name)
	at := len(s.arena)
	s.arena = append(s.arena, " xmlns"...)
	if len(name) > 0 {
		s.arena = append(s.arena, ':')
		s.arena = append(s.arena, name...)
	}
	s.arena = append(s.arena, `="`...)
	value := len(s.arena)
	s.arena = attrEscapes.append(s.arena, uri)
	end := len(s.arena)
	s.arena = append(s.arena, '"')
	b := binding{prefix: p, uri: s.arena[value:end:end], text: s.arena[at:len(s.arena):len(s.arena)], outer: p.top}
	if len(b.uri) != len(uri) {
		b.uri = s.keep(uri)
	}
	s.bindings = append(s.bindings, b)
	p.top = len(s.bindings) - 1
}

// push opens an element. Its declarations and xml attributes follow.
func (s *scope) push(p *place) {
	s.nameBytes += len(p.name)
	n := len(s.elements)
	if n == cap(s.elements) {
		s.elements = slices.Grow(s.elements, n+16)
	}
	s.elements = s.elements[:n+1]
	e := &s.elements[n]
	e.place = p
	e.binding = none
	e.arena = int32(len(s.arena))
	e.bindings = int32(len(s.bindings))
	e.inherited = int32(len(s.inherited))
}

// innermost returns the innermost open element.
func (s *scope) innermost() *open { return &s.elements[len(s.elements)-1] }

// pop closes the innermost element.
func (s *scope) pop() {
	e := s.innermost()
	if len(s.bindings) > int(e.bindings) {
		for i := len(s.bindings) - 1; i >= int(e.bindings); i-- {
			s.bindings[i].prefix.top = s.bindings[i].outer
		}
		s.bindings = s.bindings[:e.bindings]
	}
	s.inherited = s.inherited[:e.inherited]
	s.arena = s.arena[:e.arena]
	s.nameBytes -= len(e.place.name)
	s.elements = s.elements[:len(s.elements)-1]
}

// space returns the namespace name of a binding.
func (s *scope) space(i int) []byte {
	if i == none {
		return nil
	}
	return s.bindings[i].uri
}

// admit returns the prefix of an element that starts at the place and declares nothing, or the
// reason why it is refused.
func (s *scope) admit(p *place) (*prefix, Reason) {
	x := p.lookup(s)
	switch {
	case x == nil || x.top == none && p.prefixed > 0:
		return nil, UndeclaredPrefix
	case s.depth() >= maxDepth:
		return nil, TooDeep
	case len(s.arena)+s.nameBytes+len(p.name) > maxContextBytes:
		return nil, ContextTooLarge
	}
	return x, ""
}

// check says which limit of the scope is exceeded, or "".
func (s *scope) check() Reason {
	switch {
	case s.depth() > maxDepth:
		return TooDeep
	case len(s.bindings) > maxNamespaces:
		return TooManyNamespaces
	case len(s.arena)+s.nameBytes > maxContextBytes:
		return ContextTooLarge
	}
	return ""
}

// declarable says whether the declaration of a namespace is allowed (Namespaces in XML 1.0,
// sections 2.2 and 3; Canonical XML 1.0 section 1.3 for relative names).
func declarable(name, uri []byte) Reason {
	isXML := bytes.Equal(uri, []byte(xmlNamespace))
	switch {
	case string(name) == "xml" && isXML:
		return ""
	case string(name) == "xml", string(name) == "xmlns", isXML, bytes.Equal(uri, []byte(xmlnsNamespace)):
		return ReservedNamespace
	case len(uri) == 0 && len(name) == 0:
		return ""
	case len(uri) == 0:
		return EmptyNamespace
	case !hasScheme(uri):
		return RelativeNamespace
	case !isURI(uri):
		return NamespaceSyntax
	}
	return ""
}
