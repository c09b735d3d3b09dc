package request

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// requestFault turns a fault of the JSON text into a *signing.Error. It returns other errors
// unchanged.
func requestFault(err error) error {
	var known *signing.Error
	var e *jsonstream.Error
	if errors.As(err, &known) || !errors.As(err, &e) {
		return err
	}
	kind := map[jsonstream.Fault]signing.Kind{
		jsonstream.Malformed: signing.KindMalformed,
		jsonstream.Truncated: signing.KindMalformed,
		jsonstream.Duplicate: signing.KindMalformed,
		jsonstream.WrongType: signing.KindInvalid,
		jsonstream.BadBase64: signing.KindInvalid,
		jsonstream.TooLarge:  signing.KindTooLarge,
	}[e.Fault]
	return signing.Errorf(kind, "%s", e.Error())
}

func firstFault(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func missing(field string) error {
	return signing.Errorf(signing.KindMissing, "%s is missing or empty", field)
}

func invalid(field, format string, args ...any) error {
	return signing.Errorf(signing.KindInvalid, "%s: %s", field, fmt.Sprintf(format, args...))
}

// required checks that a mandatory text is not blank.
func required(field, value string) error {
	if strings.TrimSpace(value) == "" {
		return missing(field)
	}
	return checkText(field, value)
}

// checkText refuses U+0000, because readers of PDF strings, databases and file names may mishandle
// it.
func checkText(field, value string) error {
	if strings.ContainsRune(value, 0) {
		return invalid(field, "contains the character U+0000")
	}
	return nil
}

// oneOf checks that an optional value is one of words.
func oneOf(field, value string, words ...string) error {
	if value == "" || slices.Contains(words, value) {
		return nil
	}
	return invalid(field, "must be one of %s, not %.40q", strings.Join(words, ", "), value)
}
