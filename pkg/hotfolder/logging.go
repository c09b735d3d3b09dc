package hotfolder

import (
	"errors"

	"github.com/go-logr/logr"
)

type logger = logr.Logger

// fileError is an error about one file.
type fileError struct {
	error
	name string
}

func (e fileError) Unwrap() error { return e.error }

// OfFile returns an error with the name of the file that it is about. The text of the error does
// not have the name, because errors are logged, and a name may tell what a document is about, or
// whose it is. It returns nil for nil.
func OfFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fileError{err, name}
}

// FileName returns the name that OfFile has added to an error of a Storage; empty = unknown.
func FileName(err error) string {
	var named fileError
	if errors.As(err, &named) {
		return named.name
	}
	return ""
}

// logFault logs an error. The name of the file is logged at the level DEBUG only.
func logFault(log logger, err error, message string, keys ...any) {
	log.Error(err, message, keys...)
	if name := FileName(err); name != "" {
		log.V(1).Info("the file of this fault", append([]any{"name", textOf(name)}, keys...)...)
	}
}
