package cms

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// ErrMismatch is wrapped by an error about a wrong signature: digest, signature value and
// certificate do not match.
var ErrMismatch = errors.New("signature does not match")

// ErrUnsupported is wrapped by an error about a signature that cannot be judged. It uses an
// algorithm or a form that this package does not know, or its certificate is missing. The signature
// may be valid.
var ErrUnsupported = errors.New("not supported")

// ErrMalformed is wrapped by errors of Parse and ParseTimestamp. The bytes do not have the expected
// structure, or they exceed a bound.
var ErrMalformed = errors.New("malformed")

// CannotJudge reports whether an error of this package means that a signature cannot be judged, and
// not that it is wrong.
func CannotJudge(err error) bool {
	var unhandled x509.UnhandledCriticalExtension
	return errors.Is(err, ErrUnsupported) || errors.As(err, &unhandled)
}

// fault is an error of one of these kinds. Its text describes the fault completely, so the text of
// the kind is not added.
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
