package xmlc14n

import "fmt"

// Reason names why a document is refused. Names are stable: callers store and compare them.
type Reason string

// The reasons. The texts in the table reasonTexts explain them to people.
const (
	Doctype            Reason = "doctype"
	Version            Reason = "xml-version"
	Declaration        Reason = "xml-declaration"
	UnknownEncoding    Reason = "unknown-encoding"
	WrongEncoding      Reason = "wrong-encoding"
	EncodingBytes      Reason = "encoding-bytes"
	IllegalCharacter   Reason = "illegal-character"
	UndeclaredPrefix   Reason = "undeclared-prefix"
	DuplicateAttribute Reason = "duplicate-attribute"
	RelativeNamespace  Reason = "relative-namespace"
	NamespaceSyntax    Reason = "namespace-syntax"
	ReservedNamespace  Reason = "reserved-namespace"
	EmptyNamespace     Reason = "empty-namespace"
	QualifiedName      Reason = "qualified-name"
	Entity             Reason = "entity"
	SectionEnd         Reason = "section-end"
	Nesting            Reason = "nesting"
	SecondRoot         Reason = "second-root"
	OutsideRoot        Reason = "outside-root"
	AfterRoot          Reason = "after-root"
	NoRoot             Reason = "no-root"
	Incomplete         Reason = "incomplete"
	Syntax             Reason = "syntax"
	TooDeep            Reason = "too-deep"
	TagTooLong         Reason = "tag-too-long"
	TooManyAttributes  Reason = "too-many-attributes"
	TooManyNamespaces  Reason = "too-many-namespaces"
	ContextTooLarge    Reason = "context-too-large"
)

var reasonTexts = map[Reason]string{
	Doctype:            "document type declarations are not allowed",
	Version:            "only XML 1.0 is supported",
	Declaration:        "the XML declaration is malformed or not at the start",
	UnknownEncoding:    "the declared encoding is not supported",
	WrongEncoding:      "the declared encoding contradicts the first bytes",
	EncodingBytes:      "bytes are not valid in the encoding of the document",
	IllegalCharacter:   "a character is not allowed in XML",
	UndeclaredPrefix:   "a namespace prefix is not declared",
	DuplicateAttribute: "an element has an attribute twice",
	RelativeNamespace:  "a namespace name is a relative URI",
	NamespaceSyntax:    "a namespace name is not a valid URI",
	ReservedNamespace:  "a reserved prefix or namespace name is declared",
	EmptyNamespace:     "a prefix is declared with an empty namespace name",
	QualifiedName:      "a name has a colon in the wrong place",
	Entity:             "a reference to an entity other than the five predefined ones",
	SectionEnd:         "text contains ]]>",
	Nesting:            "an end tag does not match the open element",
	SecondRoot:         "the document has a second root element",
	OutsideRoot:        "text is outside the root element",
	AfterRoot:          "text follows the root element",
	NoRoot:             "the document has no root element",
	Incomplete:         "the document ends too early",
	Syntax:             "the markup is malformed",
	TooDeep:            fmt.Sprintf("elements are nested deeper than %d", maxDepth),
	TagTooLong:         fmt.Sprintf("a tag is longer than %d bytes", maxTagBytes),
	TooManyAttributes:  fmt.Sprintf("a tag has more than %d attributes", maxAttributes),
	TooManyNamespaces:  fmt.Sprintf("more than %d namespace declarations are in scope", maxNamespaces),
	ContextTooLarge:    fmt.Sprintf("names and namespaces of open elements take more than %d bytes", maxContextBytes),
}

// Error says why and where a document is refused. It has no content of the document.
type Error struct {
	Reason Reason
	Offset int64 // bytes before the fault in the original bytes
	Line   int   // counts from 1; lines end with a line feed
}

// Error returns a text that is safe for clients and logs.
func (e *Error) Error() string {
	return fmt.Sprintf("XML line %d, byte %d: %s", e.Line, e.Offset, reasonTexts[e.Reason])
}
