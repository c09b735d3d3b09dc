package pdf

import (
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// damaged returns the error for a broken or inconsistent file.
func damaged(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindDamaged, "PDF is damaged: "+format, args...)
}

// tooComplex returns the error for a file that exceeds a limit.
func tooComplex(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindTooComplex, "PDF is too complex: "+format, args...)
}

// unsupported returns the error for a file that may be correct but that this package cannot read.
func unsupported(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindUnsupported, "PDF is not supported: "+format, args...)
}

// readError converts an error of the reader. The end of the data means that the file is damaged;
// any other error is a failing disk, which is retryable.
func readError(err error) error {
	var e *signing.Error
	if errors.As(err, &e) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it ends too early").Because(err)
	}
	return (&signing.Error{Kind: signing.KindStorage, Detail: "the document could not be read", Err: err}).Retryable(0)
}
