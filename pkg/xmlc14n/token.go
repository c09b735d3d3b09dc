package xmlc14n

// Kind is the kind of a token.
type Kind uint8

// The kinds. Line breaks and blanks outside the root element and the XML declaration are not
// reported.
const (
	StartElement Kind = iota + 1
	EndElement        // also follows the start of an element written <a/>
	Text              // a piece of text, of a CDATA section, or one reference
	Comment           // a piece of a comment
	ProcInst          // a piece of a processing instruction
	Leaf              // a whole element that has only text; see [Tokenizer.Leaves]
)

// Attr is an attribute that is not a namespace declaration.
type Attr struct {
	Name  []byte // as written, with prefix
	Local []byte
	Space []byte // namespace name, empty if Name has no prefix
	Value []byte // normalized, references replaced

	binding int
	plain   bool // Value needs no escaping
	at      int
}

// prefixed says whether the name has a prefix.
func (a Attr) prefixed() bool { return len(a.Local) < len(a.Name) }

// Token is a piece of a document. It and everything it refers to are valid until the next call of
// [Tokenizer.Next].
type Token struct {
	Kind Kind
	// Depth counts the open elements, including the one that starts or ends here. It is 0 outside the
	// root element.
	Depth int
	// Empty is true at the start of an element that is written <a/>.
	Empty bool
	// First and Last mark the first and the last piece of a comment, processing instruction or CDATA
	// section. A long one comes in several pieces. Other text has no such marks.
	First, Last bool
	// Attrs are the attributes of an element that starts, or of a leaf, in canonical order: by
	// namespace name, then by local name.
	Attrs []Attr

	src       *Tokenizer
	place     *place
	binding   int  // of the element's name
	declared  int  // bindings from this index on are declared by the element
	lead      int  // blanks that belong to the token are in the window from here to at
	at, end   int  // the token in the window
	from, to  int  // its data, or the tag; the start tag of a leaf
	close     int  // the end of a start tag
	textEnd   int  // the end of the text of a leaf, which starts at to
	inSection bool // it is a piece of a section
	// references says that the text of a leaf has references, which are written as in canonical form.
	references bool
	replaced   bool // its data is in src.char
	plain      bool // buf[from:to] is in canonical form
}

// Start returns the offset of the token in the original bytes.
func (t *Token) Start() int64 {
	if t.inSection && t.First {
		return t.src.section.start
	}
	return t.src.offset(t.at)
}

// End returns the offset behind the token in the original bytes.
func (t *Token) End() int64 { return t.src.offset(t.end) }

// Close returns, at the start of an element and of a leaf, the offset of the ">" or "/>" that ends
// the tag.
func (t *Token) Close() int64 { return t.src.offset(t.close) }

// Name returns the name of an element as written, with prefix, or the target of a processing
// instruction.
func (t *Token) Name() []byte {
	switch t.Kind {
	case StartElement, EndElement, Leaf:
		return t.place.name
	case ProcInst:
		return t.src.section.name
	}
	return nil
}

// Local returns the name of an element without its prefix.
func (t *Token) Local() []byte {
	if !t.isElement() {
		return nil
	}
	return t.place.name[t.place.prefixed:]
}

// ends says whether an element ends with the token.
func (t *Token) ends() bool { return t.Kind == EndElement || t.Kind == Leaf }

func (t *Token) isElement() bool {
	return t.Kind == StartElement || t.Kind == EndElement || t.Kind == Leaf
}

// Space returns the namespace name of an element. It is empty if the element is in no namespace.
func (t *Token) Space() []byte {
	if !t.isElement() {
		return nil
	}
	return t.src.scope.space(t.binding)
}

// Data returns the text, also that of a leaf, the comment or the data of the instruction: line
// breaks are normalized and references replaced.
func (t *Token) Data() []byte {
	switch {
	case t.replaced:
		return t.src.char
	case t.Kind == StartElement, t.Kind == EndElement:
		return nil
	}
	if t.Kind == Leaf {
		text := t.src.buf[t.to:t.textEnd]
		if t.references {
			t.src.char = replaceReferences(t.src.char[:0], text)
			return t.src.char
		}
		return text
	}
	return t.src.buf[t.from:t.to]
}

// CDATA says whether the text is in a CDATA section.
func (t *Token) CDATA() bool { return t.inSection && t.Kind == Text }

// Is says whether the token is the start or end of an element, or a leaf, with the expanded name.
func (t *Token) Is(space, local string) bool {
	return string(t.Local()) == local && string(t.Space()) == space
}

// Attr returns the value of the attribute with the expanded name, and false if there is none.
func (t *Token) Attr(space, local string) ([]byte, bool) {
	for i := range t.Attrs {
		if a := &t.Attrs[i]; string(a.Local) == local && string(a.Space) == space {
			return a.Value, true
		}
	}
	return nil, false
}
