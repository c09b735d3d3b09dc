package xades

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// internal returns an error that is the fault of this program.
func internal(doing string, err error) error {
	return &signing.Error{Err: fmt.Errorf("%s: %w", doing, err)}
}

func forbidden(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindForbidden, "XML must not be changed: "+format, args...)
}

// reasonKinds are the kinds of the reasons for which a document is refused. All others are
// KindDamaged.
var reasonKinds = map[xmlc14n.Reason]signing.Kind{
	xmlc14n.NoRoot:            signing.KindNotDocument,
	xmlc14n.OutsideRoot:       signing.KindNotDocument,
	xmlc14n.Doctype:           signing.KindUnsupported,
	xmlc14n.Version:           signing.KindUnsupported,
	xmlc14n.UnknownEncoding:   signing.KindUnsupported,
	xmlc14n.RelativeNamespace: signing.KindUnsupported,
	xmlc14n.NamespaceSyntax:   signing.KindUnsupported,
	xmlc14n.TooDeep:           signing.KindTooComplex,
	xmlc14n.TagTooLong:        signing.KindTooComplex,
	xmlc14n.TooManyAttributes: signing.KindTooComplex,
	xmlc14n.TooManyNamespaces: signing.KindTooComplex,
	xmlc14n.ContextTooLarge:   signing.KindTooComplex,
}

// readError returns the domain's error for an error of the tokenizer: the document is refused, or
// it cannot be read.
func readError(ctx context.Context, err error) error {
	var refused *xmlc14n.Error
	var domain *signing.Error
	switch {
	case errors.As(err, &refused):
		kind, ok := reasonKinds[refused.Reason]
		if !ok {
			kind = signing.KindDamaged
		}
		return signing.Errorf(kind, "%s", refused.Error())
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &domain):
		return domain
	}
	return (&signing.Error{Kind: signing.KindStorage, Err: fmt.Errorf("read document: %w", err)}).Retryable(0)
}

// placeError returns the domain's error for a signature that does not fit where it is inserted.
// Only the elements around it can be the reason: they are nested too deep or declare too many
// namespaces.
func placeError(err error) error {
	var refused *xmlc14n.Error
	if errors.As(err, &refused) {
		return signing.Errorf(signing.KindTooComplex,
			"the place for the signature is nested too deep or has too many namespaces").Because(err)
	}
	return internal("canonicalize signature", err)
}

// documentReader reads a document from its start until ctx is done. io.Reader takes no context, so
// it is stored for the time of one call. The tokenizer reads 64 KiB at a time, so the cost of the
// check does not show.
type documentReader struct {
	ctx context.Context
	r   io.Reader
}

func newDocumentReader(ctx context.Context, file io.ReaderAt, size int64) io.Reader {
	return &documentReader{ctx: ctx, r: io.NewSectionReader(file, 0, size)}
}

func (d *documentReader) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.r.Read(p)
}
