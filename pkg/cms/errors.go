package cms

import (
	"errors"
	"fmt"
)

// ErrMismatch is in the chain of an error that says: this signature is wrong. Digest, value or
// certificate do not fit together.
var ErrMismatch = errors.New("signature does not match")

// ErrUnsupported is in the chain of an error that says: this signature cannot be judged, since it
// uses an algorithm or a form that this package does not know, or lacks its certificate. It may be
// perfectly good.
var ErrUnsupported = errors.New("not supported")

// ErrMalformed is in the chain of an error of Parse and ParseTimestamp: the bytes are no such
// structure, or pass a bound.
var ErrMalformed = errors.New("malformed")

// fault is an error of one of these kinds. Its text says what is wrong in full, so the kind's own
// text is not added to it.
type fault struct {
	text string
	kind error
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.kind }

func mismatch(format string, args ...any) error {
	return &fault{fmt.Sprintf(format, args...), ErrMismatch}
}

func unsupported(format string, args ...any) error {
	return &fault{fmt.Sprintf(format, args...), ErrUnsupported}
}
