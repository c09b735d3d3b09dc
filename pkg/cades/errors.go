package cades

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// internal returns an error that is the fault of this program.
func internal(doing string, err error) error {
	return &signing.Error{Err: fmt.Errorf("%s: %w", doing, err)}
}

func damaged(format string, args ...any) error {
	return signing.Errorf(signing.KindDamaged, "the CMS file is damaged: "+format, args...)
}

func notCMS(format string, args ...any) error {
	return signing.Errorf(signing.KindNotDocument, "the file is not a CMS SignedData: "+format, args...)
}

func tooLarge(format string, args ...any) error {
	return signing.Errorf(signing.KindTooComplex, "the CMS file is too complex: "+format, args...)
}

// cutOff returns the error for a file that ends too early.
func cutOff() error {
	return signing.Errorf(signing.KindDamaged, "the CMS file is cut off: it ends inside its structure")
}

// readError returns the domain's error for a file that cannot be read. io.EOF means that the file
// ends too early.
func readError(ctx context.Context, err error) error {
	var domain *signing.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cutOff()
	case errors.As(err, &domain):
		return domain
	}
	return (&signing.Error{Kind: signing.KindStorage, Detail: "the document could not be read", Err: err}).Retryable(0)
}
