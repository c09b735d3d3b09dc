package jsonstream

import "fmt"

// Fault says what is wrong with a text.
type Fault int

const (
	Malformed Fault = iota // not JSON
	Truncated              // JSON that ends too early
	WrongType              // a value of another JSON type than asked for
	TooLarge               // a bound of Limits or of a call was passed
	Duplicate              // a name comes twice in one object
	BadBase64              // the text of a string is not base64
)

// Error is a fault of the text, as opposed to one of the reader it comes from. Reason may be shown
// to whoever sent the text: it quotes nothing of it.
type Error struct {
	Fault  Fault
	Path   string // of the value, as in documents[3].documentRequest.name; empty = the text as a whole
	Offset int64  // bytes from the start of the text
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s (at byte %d)", e.Reason, e.Offset)
	}
	return fmt.Sprintf("%s: %s (at byte %d)", e.Path, e.Reason, e.Offset)
}
