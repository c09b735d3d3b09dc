package jsonstream

import "fmt"

// Fault is the kind of an Error.
type Fault int

const (
	Malformed Fault = iota // not JSON
	Truncated              // JSON that ends too early
	WrongType              // a value of another JSON type than requested
	TooLarge               // a bound of Limits or of a call was exceeded
	Duplicate              // a name occurs twice in one object
	BadBase64              // the text of a string is not base64
)

// Error is a fault of the text, as opposed to an error of the underlying reader. Reason may be
// shown to the sender of the text, because it quotes nothing of the text.
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
