package xmlc14n

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

// rawName is a qualified name in the window.
type rawName struct {
	from, colon, to int // colon is from-1 if there is no prefix
}

// scanName reads the qualified name at b[i]. If it returns a reason, n.to is where the fault is. If
// n.to is len(b), the name may go on behind b.
func scanName(b []byte, i int) (n rawName, reason Reason) {
	n = rawName{from: i, colon: i - 1}
	n.to = scanNCName(b, i)
	if n.to == len(b) {
		return n, ""
	}
	if n.to == i {
		if b[i] == ':' {
			return n, QualifiedName
		}
		return n, Syntax
	}
	if b[n.to] != ':' {
		return n, ""
	}
	n.colon = n.to
	n.to = scanNCName(b, n.colon+1)
	if n.to < len(b) && (n.to == n.colon+1 || b[n.to] == ':') {
		return n, QualifiedName
	}
	return n, ""
}

// startTag reads the start tag at pos.
func (t *Tokenizer) startTag() error {
	for {
		b := t.buf[:t.end]
		p := guess(t.places.slot, b[t.pos+1:])
		if p == nil {
			raw, reason := scanName(b, t.pos+1)
			if reason != "" {
				return t.badCharacter(raw.to, reason)
			}
			if raw.to-t.pos >= maxTagBytes {
				return t.fault(TagTooLong, t.pos)
			}
			if raw.to < len(b) {
				p = t.newPlace(b[raw.from:raw.to], raw.colon+1-raw.from)
			}
		}
		if p != nil {
			i := t.pos + 1 + len(p.name)
			if b[i] == '>' {
				x, reason := t.scope.admit(p)
				if reason != "" {
					return t.fault(reason, t.pos)
				}
				t.bareTag(p, x, i+1, nil)
				t.join()
				return nil
			}
			if t.tag.read(b, i, p.shape) {
				return t.fullTag(p)
			}
		}
		if err := t.refill(); err != nil {
			return err
		}
	}
}

// newPlace returns the place of an element that starts here, and remembers it.
func (t *Tokenizer) newPlace(name []byte, prefixed int) *place {
	if t.places.known > maxPlaces {
		t.places.forget(t.scope.elements)
	}
	parent := &t.places.root
	if len(t.scope.elements) > 0 {
		parent = t.scope.innermost().place
	}
	p := t.places.child(parent, name, prefixed)
	*t.places.slot = p
	return p
}

// bareTag reports a start tag that has only a name, or attributes that need no look, and ends at
// buf[to].
func (t *Tokenizer) bareTag(p *place, x *prefix, to int, attrs []Attr) {
	tok := t.emitStart(p, to)
	tok.close = to - 1
	tok.Empty = false
	tok.Attrs = attrs
	tok.plain = true
	tok.binding = x.top
	t.scope.innermost().binding = int32(x.top)
}

// fullTag reports the start tag that t.tag has read.
func (t *Tokenizer) fullTag(p *place) error {
	tag := &t.tag
	switch {
	case tag.reason != "":
		return t.badCharacter(tag.i, tag.reason)
	case tag.i-t.pos > maxTagBytes:
		return t.fault(TagTooLong, t.pos)
	}
	tok := t.emitStart(p, tag.i)
	tok.close = tag.close
	tok.Empty = tag.empty
	tok.Attrs = tag.attrs
	if reason, at := t.declare(); reason != "" {
		return t.fault(reason, at)
	}
	if !t.resolveElement(p) {
		return t.fault(UndeclaredPrefix, tok.from)
	}
	if tag.prefixed {
		if at := t.resolveAttrs(); at != 0 {
			return t.fault(UndeclaredPrefix, at)
		}
	}
	if reason := t.scope.check(); reason != "" {
		return t.fault(reason, tok.from)
	}
	inOrder, twice := t.sort(p)
	if twice != 0 {
		return t.fault(DuplicateAttribute, twice)
	}
	tok.plain = tag.tidy && inOrder
	t.empty = tag.empty
	if t.empty {
		return nil
	}
	if tok.plain && !tag.prefixed {
		p.remember(tag.b[tok.at:tag.i])
	}
	t.join()
	return nil
}

// sort puts the attributes of the tag that t.tag has read into canonical order. It returns what
// sortAttrs does.
func (t *Tokenizer) sort(p *place) (inOrder bool, twice int) {
	tag, tok := &t.tag, &t.token
	if tag.matched != nil {
		tok.Attrs, inOrder = tag.reorder(tag.matched)
		return inOrder, 0
	}
	if len(tok.Attrs) == 0 {
		return true, 0
	}
	if tag.regular && !tag.prefixed && !tag.declares {
		p.rememberShape(tok.Attrs)
	}
	inOrder, twice = sortAttrs(tok.Attrs)
	if twice != 0 {
		p.shape = nil
	}
	return inOrder, twice
}

// join makes a leaf of the start tag that was just read, if the window has all of a leaf and the
// caller wants leaves.
func (t *Tokenizer) join() {
	if !t.Leaves {
		return
	}
	p := t.token.place
	end, references := leafText(t.buf[:t.end], t.pos, p)
	if end < 0 {
		return
	}
	t.token.references = references
	t.token.Kind = Leaf
	t.token.textEnd = end
	t.token.end = end + len(p.end)
	t.pos = t.token.end
	t.places.slot = &p.next
	t.closing = true
}

// leafText returns where the text ends that starts at b[i], behind the start tag of an element of
// the place, and whether the text has references. It returns -1 if b does not have the whole
// element, or if the element has something else than text that is written as in canonical form.
func leafText(b []byte, i int, p *place) (to int, references bool) {
	if i+8 > len(b) {
		return -1, false
	}
	if hits := special(binary.LittleEndian.Uint64(b[i:])); hits != 0 {
		to = i + bits.TrailingZeros64(hits)/8 // most texts are short
	} else {
		to = skipPlain(b, i+8)
	}
	if to < len(b) && b[to] != '<' {
		var plain bool
		var reason Reason
		if to, references, plain, reason = scanRun(b, i, to); !plain || reason != "" {
			return -1, false
		}
	}
	if !bytes.HasPrefix(b[to:], p.end) {
		return -1, false
	}
	return to, references
}

// emitLeaf reports a leaf that declares nothing: the start tag in buf[from:to], and text up to
// textEnd. Its element is not put into scope.elements.
func (t *Tokenizer) emitLeaf(p *place, x *prefix, from, to, textEnd int, attrs []Attr) *Token {
	tok := t.emit(Leaf, from, textEnd+len(p.end))
	tok.Depth++
	tok.to, tok.close, tok.textEnd = to, to-1, textEnd
	tok.place = p
	tok.declared = len(t.scope.bindings)
	tok.binding = x.top
	tok.Empty, tok.plain = false, true
	tok.Attrs = attrs
	t.places.slot = &p.next
	t.leaf = true
	return tok
}

// emitStart opens an element whose tag ends at buf[to].
func (t *Tokenizer) emitStart(p *place, to int) *Token {
	t.scope.push(p)
	t.places.slot = &p.first
	tok := t.emit(StartElement, t.pos, to)
	tok.place = p
	tok.declared = len(t.scope.bindings)
	t.root = true
	return tok
}

// declare moves the namespace declarations from the attributes of the tag into the scope.
func (t *Tokenizer) declare() (Reason, int) {
	if !t.tag.declares {
		return "", 0
	}
	kept := t.token.Attrs[:0]
	for _, a := range t.token.Attrs {
		var name []byte
		switch {
		case string(a.Name) == "xmlns":
		case bytes.HasPrefix(a.Name, []byte("xmlns:")):
			name = a.Local
		default:
			kept = append(kept, a)
			continue
		}
		if reason := declarable(name, a.Value); reason != "" {
			return reason, a.at
		}
		if p := t.scope.lookup(name); p != nil && p.top >= t.token.declared {
			return DuplicateAttribute, a.at
		}
		t.scope.bind(name, a.Value)
	}
	t.token.Attrs = kept
	return "", 0
}

// resolveElement finds the namespace of the element. It returns false if its prefix is not
// declared.
func (t *Tokenizer) resolveElement(p *place) bool {
	x := p.lookup(&t.scope)
	if p.prefixed > 0 && (x == nil || x.top == none) {
		return false
	}
	t.token.binding = x.top
	t.scope.innermost().binding = int32(x.top)
	return true
}

// resolveAttrs finds the namespaces of the attributes. If a prefix is not declared, it returns
// where the attribute is.
func (t *Tokenizer) resolveAttrs() int {
	for i := range t.token.Attrs {
		a := &t.token.Attrs[i]
		a.binding = none
		if !a.prefixed() {
			continue
		}
		name := a.Name[:len(a.Name)-len(a.Local)-1]
		p := t.scope.lookup(name)
		if p == nil || p.top == none {
			return a.at
		}
		a.binding = p.top
		a.Space = t.scope.bindings[p.top].uri
		if string(name) == "xml" {
			t.scope.inherited = append(t.scope.inherited,
				inheritable{local: t.scope.keep(a.Local), value: t.scope.keep(a.Value), depth: t.scope.depth()})
		}
	}
	return 0
}

// sortAttrs sorts attributes by namespace name and then by local name. It says whether they were in
// order, and where an attribute stands that has the same expanded name as another one.
func sortAttrs(attrs []Attr) (inOrder bool, twice int) {
	inOrder = true
	for i := 1; i < len(attrs); i++ {
		if compareAttrs(attrs[i-1], attrs[i]) > 0 {
			inOrder = false
			slices.SortStableFunc(attrs, compareAttrs)
			break
		}
	}
	for i := 1; i < len(attrs); i++ {
		if compareAttrs(attrs[i-1], attrs[i]) == 0 {
			return inOrder, attrs[i].at
		}
	}
	return inOrder, 0
}

func compareAttrs(a, b Attr) int {
	if c := bytes.Compare(a.Space, b.Space); c != 0 {
		return c
	}
	return bytes.Compare(a.Local, b.Local)
}

// endTag reads the end tag at pos.
func (t *Tokenizer) endTag() error {
	if len(t.scope.elements) == 0 {
		return t.fault(Nesting, t.pos)
	}
	name := t.scope.innermost().place.name
	for {
		b := t.buf[:t.end]
		i := t.pos + 2
		if rest := b[min(i, len(b)):]; len(rest) > len(name) {
			i += len(name)
			if !bytes.Equal(rest[:len(name)], name) {
				return t.badEnd(b)
			}
			for i < len(b) && classes[b[i]]&spaceChar != 0 {
				i++
			}
			if i < len(b) && b[i] == '>' {
				t.emitEnd(t.scope.innermost(), t.pos, i+1)
				return nil
			}
			if i < len(b) {
				return t.badEnd(b)
			}
		}
		if more, reason := t.more(); reason != "" {
			return t.fault(reason, t.pos)
		} else if !more && bytes.IndexByte(b[t.pos:], '>') >= 0 {
			return t.badEnd(b) // the name is shorter than that of the open element
		} else if !more {
			return t.ended(Incomplete)
		}
	}
}

// badEnd returns the error for an end tag that does not match the open element.
func (t *Tokenizer) badEnd(b []byte) error {
	n, reason := scanName(b, t.pos+2)
	if reason != "" {
		return t.badCharacter(n.to, reason)
	}
	if n.to < len(b) && b[n.to] != '>' && classes[b[n.to]]&spaceChar == 0 {
		return t.badCharacter(n.to, Syntax)
	}
	return t.fault(Nesting, t.pos)
}

// emitEnd reports the end of the innermost element e, with the tag in buf[from:to].
func (t *Tokenizer) emitEnd(e *open, from, to int) {
	tok := t.emit(EndElement, from, to)
	t.places.slot = &e.place.next
	tok.place = e.place
	tok.Attrs = tok.Attrs[:0]
	tok.plain = to-from == len("</>")+len(e.place.name)
	tok.binding = int(e.binding)
	t.closing = true
}
