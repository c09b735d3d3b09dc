package xmlc14n

import (
	"io"
	"slices"
)

// Context is what an element inherits from the elements around it. It has no reference into the
// document and can be stored.
type Context struct {
	Depth      int             `json:"depth"`
	Namespaces []Namespace     `json:"namespaces,omitempty"` // in scope, the innermost of each prefix
	XML        []InheritedAttr `json:"xml,omitempty"`        // outermost first
}

// Namespace is a namespace declaration in scope. The default namespace has the prefix "".
type Namespace struct {
	Prefix string `json:"prefix,omitempty"`
	URI    string `json:"uri"`
}

// InheritedAttr is an attribute of the xml namespace on one of the elements around.
type InheritedAttr struct {
	Local string `json:"local"`
	Value string `json:"value"`
	Depth int    `json:"depth"` // of its element
}

// Context returns what a child of the innermost open element inherits. During the token of the
// start or the end of an element that is the element itself.
func (t *Tokenizer) Context() Context {
	s := &t.scope
	c := Context{Depth: s.depth()}
	if t.leaf {
		c.Depth++
	}
	for i, b := range s.bindings {
		if b.prefix.top == i && b.prefix.name != "xml" && (b.prefix.name != "" || len(b.uri) > 0) {
			c.Namespaces = append(c.Namespaces, Namespace{Prefix: b.prefix.name, URI: string(b.uri)})
		}
	}
	for _, a := range s.inherited {
		c.XML = append(c.XML, InheritedAttr{Local: string(a.local), Value: string(a.value), Depth: a.depth})
	}
	return c
}

// NewFragmentTokenizer returns a tokenizer of one element in UTF-8, given by r, that stands in the
// context. It treats the element as the tokenizer of the whole document would in this place, except
// that offsets count from the start of the fragment. The context must come from
// [Tokenizer.Context].
func NewFragmentTokenizer(r io.Reader, c Context) *Tokenizer {
	t := NewTokenizer(r)
	s := &t.scope
	s.base = c.Depth
	for _, n := range c.Namespaces {
		s.bind([]byte(n.Prefix), []byte(n.URI))
	}
	for _, a := range c.XML {
		s.inherited = append(s.inherited,
			inheritable{local: s.keep([]byte(a.Local)), value: s.keep([]byte(a.Value)), depth: a.Depth})
	}
	return t
}

// Prefix returns a prefix that is bound to the namespace name in the context, and false if there is
// none. The default namespace does not count.
func (c Context) Prefix(uri string) (string, bool) {
	i := slices.IndexFunc(c.Namespaces, func(n Namespace) bool { return n.URI == uri && n.Prefix != "" })
	if i < 0 {
		return "", false
	}
	return c.Namespaces[i].Prefix, true
}
