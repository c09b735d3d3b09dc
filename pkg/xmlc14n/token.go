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

// Token is a piece of a document. It and everything it refers to are valid until the next call of
// [Tokenizer.Next].
type Token struct {
	Kind Kind
	// Depth counts the open elements, including the one that starts or ends here. It is 0 outside
	// the root element.
	Depth int
	// Start and End are the offsets of the token in the original bytes.
	Start, End int64
	// Close is, at the start of an element, the offset of the ">" or "/>" that ends the tag.
	Close int64
	// Empty is true at the start of an element that is written <a/>.
	Empty bool
	// First and Last mark the first and the last piece of a comment or processing instruction. A long
	// one comes in several pieces. Text has no such marks: join all pieces up to the next token of
	// another kind, except that comments and processing instructions split text.
	First, Last bool
	// CDATA is true for text in a CDATA section.
	CDATA bool
	// Name is the name of an element as written, with prefix, or the target of a processing
	// instruction.
	Name []byte
	// Local is the part of Name after the prefix.
	Local []byte
	// Data is text: line breaks are normalized and references replaced.
	Data []byte
	// Attrs are the attributes of an element in canonical order: by namespace name, then by local
	// name.
	Attrs []Attr

	binding  int // of the element's name
	declared int // bindings from this index on are declared by the element
	from, to int // Data or the tag in the window, if plain
	plain    bool
	src      *Tokenizer
}

// Space returns the namespace name of an element. It is empty if the element is in no namespace.
func (t *Token) Space() []byte { return t.src.scope.space(t.binding) }

// Is says whether the element has the expanded name.
func (t *Token) Is(space, local string) bool {
	return string(t.Local) == local && string(t.Space()) == space
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
