package xmlc14n

import (
	"bytes"
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
		name := t.names.guess(b[t.pos+1:])
		if name == nil {
			raw, reason := scanName(b, t.pos+1)
			if reason != "" {
				return t.badCharacter(raw.to, reason)
			}
			if raw.to-t.pos >= maxTagBytes {
				return t.fault(TagTooLong, t.pos)
			}
			if raw.to < len(b) {
				name = t.names.get(b, raw)
			}
		}
		if name != nil {
			i := t.pos + 1 + len(name.text)
			if b[i] == '>' {
				return t.bareTag(name, i+1)
			}
			if t.tag.read(b, i) {
				return t.fullTag(name)
			}
		}
		if err := t.refill(); err != nil {
			return err
		}
	}
}

// bareTag reports a start tag that has only a name and ends at buf[to].
func (t *Tokenizer) bareTag(name *elementName, to int) error {
	tok := t.emitStart(name, to)
	tok.close = to - 1
	tok.Empty = false
	tok.Attrs = tok.Attrs[:0]
	tok.plain = true
	if !t.resolveElement(name) {
		return t.fault(UndeclaredPrefix, tok.from)
	}
	if reason := t.scope.check(); reason != "" {
		return t.fault(reason, tok.from)
	}
	return nil
}

// fullTag reports the start tag that t.tag has read.
func (t *Tokenizer) fullTag(name *elementName) error {
	tag := &t.tag
	switch {
	case tag.reason != "":
		return t.badCharacter(tag.i, tag.reason)
	case tag.i-t.pos > maxTagBytes:
		return t.fault(TagTooLong, t.pos)
	}
	tok := t.emitStart(name, tag.i)
	tok.close = tag.close
	tok.Empty = tag.empty
	tok.Attrs = tag.attrs
	if reason, at := t.declare(); reason != "" {
		return t.fault(reason, at)
	}
	if !t.resolveElement(name) {
		return t.fault(UndeclaredPrefix, tok.from)
	}
	if at := t.resolveAttrs(); at != 0 {
		return t.fault(UndeclaredPrefix, at)
	}
	if reason := t.scope.check(); reason != "" {
		return t.fault(reason, tok.from)
	}
	inOrder := true
	if len(tok.Attrs) > 1 {
		var twice int
		if inOrder, twice = sortAttrs(tok.Attrs); twice != 0 {
			return t.fault(DuplicateAttribute, twice)
		}
	}
	tok.plain = tag.tidy && inOrder
	t.empty = tag.empty
	return nil
}

// emitStart opens an element whose tag ends at buf[to].
func (t *Tokenizer) emitStart(name *elementName, to int) *Token {
	t.scope.push(name)
	t.names.next = &name.afterStart
	tok := t.emit(StartElement, t.pos, to)
	tok.name = name
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
func (t *Tokenizer) resolveElement(name *elementName) bool {
	p := name.lookup(&t.scope)
	if name.prefixed > 0 && (p == nil || p.top == none) {
		return false
	}
	t.token.binding = p.top
	t.scope.innermost().binding = int32(p.top)
	return true
}

// resolveAttrs finds the namespaces of the attributes. If a prefix is not declared, it returns
// where the attribute is.
func (t *Tokenizer) resolveAttrs() int {
	for i := range t.token.Attrs {
		a := &t.token.Attrs[i]
		a.binding = none
		if len(a.Local) == len(a.Name) {
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
	name := t.scope.innermost().name.text
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
	t.names.next = &e.name.afterEnd
	tok.name = e.name
	tok.Attrs = tok.Attrs[:0]
	tok.plain = to-from == len("</>")+len(e.name.text)
	tok.binding = int(e.binding)
	t.closing = true
}
