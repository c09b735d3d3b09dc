package formattest

//lint:file-ignore ST1005 test failures begin with the name of the method that was called

import (
	"bytes"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Promise is what the API description says of a format: how a signed document contains its
// original. It returns an error for a signed document that breaks the promise.
type Promise func(original, signed []byte, pieces signing.Pieces) error

// Appends is the promise of PAdES: the signed document starts with the original, byte for byte.
func Appends(original, signed []byte, _ signing.Pieces) error {
	if !bytes.HasPrefix(signed, original) {
		return errors.New("the signed document does not start with the original")
	}
	return nil
}

// Inserts is the promise of an enveloped XAdES signature: the signed document is the original with
// one insertion. The slash of an empty root element may be missing.
func Inserts(_, _ []byte, pieces signing.Pieces) error {
	insertions := 0
	for _, p := range pieces {
		if p.New {
			insertions++
		}
	}
	if insertions != 1 || pieces[0].New || pieces[len(pieces)-1].New {
		return errors.New("the signed document is not the original with one insertion")
	}
	return nil
}

// Wraps is the promise of an enveloping CAdES signature: the original is the content of the signed
// document, in one piece.
func Wraps(original, signed []byte, _ signing.Pieces) error {
	if !bytes.Contains(signed, original) {
		return errors.New("the signed document does not contain the original")
	}
	return nil
}

// Detaches is the promise of a detached CAdES signature: the result is the signature alone.
func Detaches(_, _ []byte, pieces signing.Pieces) error {
	for _, p := range pieces {
		if !p.New {
			return errors.New("the detached signature contains bytes of the original")
		}
	}
	return nil
}
