package pdf

import (
	"errors"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// damaged reports a broken or inconsistent file.
func damaged(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindDamaged, "PDF is damaged: "+format, args...)
}

// complex reports that a bound was reached.
func tooComplex(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindTooComplex, "PDF is too complex: "+format, args...)
}

// unsupported reports something that cannot be read, though it may be right.
func unsupported(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindUnsupported, "PDF is not supported: "+format, args...)
}

// readError tells the end of the data, which is damage, from a disk that fails.
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
