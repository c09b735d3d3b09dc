package xmlc14n

import (
	"slices"
	"strings"
)

// namespaces decides which namespace declarations an element has in canonical form.
//
// A declaration is rendered if the nearest element around that renders the prefix renders another
// namespace name, or if there is none. The methods differ in which prefixes they look at: inclusive
// canonicalization looks at all in scope, exclusive canonicalization at those that the name of the
// element and its attributes use, and at those of the PrefixList.
type namespaces struct {
	exclusive bool
	listed    []string // PrefixList

	rendered []bool // by index of the binding: an open element renders it
	undo     []rendering
	render   []int // what the current element renders, in canonical order
}

// rendering says that the element at a depth renders a binding.
type rendering struct{ depth, binding int }

// complete says whether an element that declares nothing has no declaration in canonical form.
func (n *namespaces) complete(t *Token) bool {
	if !n.exclusive {
		return true
	}
	if t.binding != none && !n.isRendered(t.binding) {
		return false
	}
	for i := range t.Attrs {
		if b := t.Attrs[i].binding; b != none && !n.isRendered(b) {
			return false
		}
	}
	return true
}

// start fills n.render for the element that starts.
func (n *namespaces) start(t *Token, apex bool) {
	n.render = n.render[:0]
	s := &t.src.scope
	switch {
	case apex && !n.exclusive:
		for i, b := range s.bindings {
			if b.prefix.top == i {
				n.visit(s, i, t.Depth)
			}
		}
	case !n.exclusive:
		for i := t.declared; i < len(s.bindings); i++ {
			n.visit(s, i, t.Depth)
		}
	default:
		n.utilized(t, apex)
	}
	if len(n.render) > 1 {
		slices.SortFunc(n.render, func(a, b int) int {
			return strings.Compare(s.bindings[a].prefix.name, s.bindings[b].prefix.name)
		})
	}
}

// utilized looks at the prefixes that the element uses visibly, and at those of the PrefixList
// (Exclusive XML Canonicalization 1.0, section 3).
func (n *namespaces) utilized(t *Token, apex bool) {
	s := &t.src.scope
	if t.binding != none && !n.isRendered(t.binding) {
		n.visit(s, t.binding, t.Depth)
	}
	for i := range t.Attrs {
		if b := t.Attrs[i].binding; b != none && !n.isRendered(b) {
			n.visit(s, b, t.Depth)
		}
	}
	if len(n.listed) == 0 {
		return
	}
	if apex {
		for _, name := range n.listed {
			if p := s.lookup([]byte(name)); p != nil && p.top != none {
				n.visit(s, p.top, t.Depth)
			}
		}
		return
	}
	for i := t.declared; i < len(s.bindings); i++ {
		if slices.Contains(n.listed, s.bindings[i].prefix.name) {
			n.visit(s, i, t.Depth)
		}
	}
}

func (n *namespaces) isRendered(i int) bool { return i < len(n.rendered) && n.rendered[i] }

// visit renders the binding unless an element around renders the same.
func (n *namespaces) visit(s *scope, i, depth int) {
	if !n.needs(s, i) {
		return
	}
	for len(n.rendered) <= i {
		n.rendered = append(n.rendered, false)
	}
	n.rendered[i] = true
	n.undo = append(n.undo, rendering{depth, i})
	n.render = append(n.render, i)
}

// needs says whether the binding must be rendered where it is used.
func (n *namespaces) needs(s *scope, i int) bool {
	b := &s.bindings[i]
	if n.isRendered(i) || b.prefix.name == "xml" {
		return false
	}
	outer := b.outer
	for outer != none && !n.isRendered(outer) {
		outer = s.bindings[outer].outer
	}
	if outer == none {
		return len(b.uri) > 0 // without a default namespace xmlns="" is superfluous
	}
	return string(s.bindings[outer].uri) != string(b.uri)
}

// simpleLeaf says whether only the name of a leaf can need a declaration. Nothing is inside a leaf,
// so nothing has to know what the leaf renders.
func (n *namespaces) simpleLeaf(t *Token) bool {
	for i := range t.Attrs {
		if t.Attrs[i].binding != none {
			return false
		}
	}
	return true
}

// end forgets what the element at the depth rendered.
func (n *namespaces) end(depth int) {
	for len(n.undo) > 0 && n.undo[len(n.undo)-1].depth == depth {
		n.rendered[n.undo[len(n.undo)-1].binding] = false
		n.undo = n.undo[:len(n.undo)-1]
	}
}
