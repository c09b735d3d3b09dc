package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

// Kinds of faults of a store. Each error of a call to a store has one of them in its chain.
var (
	errNotFound  = errors.New("the object does not exist")
	errVanished  = errors.New("the store does not know the upload any more")
	errCondition = errors.New("the object exists or has changed")
	errNoBucket  = errors.New("the bucket does not exist")
	errDenied    = errors.New("the store refuses the credentials or lacks a permission for them")
	// errCredentials does not come from the store. It was not called.
	errCredentials = errors.New("the credentials for the store cannot be used")
	errLacking     = errors.New("the store does not support the request")
	errTransient   = errors.New("the store is busy or not reachable")
	errOther       = errors.New("the store refuses the request")
)

// maxDetail bounds what an error repeats from the answer of a store.
const maxDetail = 300

// fault is the error of one call to a store.
type fault struct {
	kind   error  // one of the kinds above
	op     string // such as "list objects"
	bucket string
	detail string // from the store: no secret, bounded and printable
	cause  error
}

func (f *fault) Error() string {
	text := fmt.Sprintf("%s in bucket %s: %v", f.op, f.bucket, f.kind)
	if f.detail != "" {
		text += " (" + f.detail + ")"
	}
	return text
}

// Unwrap returns the kind, and the end of the context if that is the cause. Everything else of the
// cause stays hidden, because errors of HTTP clients contain URLs, and a URL may contain a token.
func (f *fault) Unwrap() []error {
	list := []error{f.kind}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(f.cause, ended) {
			list = append(list, ended)
		}
	}
	return list
}

// newFault returns the error of a call. detail is the text of the store's answer. If it is empty,
// the cause is described without its URL.
func newFault(kind error, op, bucket, detail string, cause error) error {
	var called *url.Error
	switch {
	case detail != "":
	case errors.As(cause, &called):
		detail = called.Err.Error()
	case cause != nil && kind == errTransient:
		detail = cause.Error()
	}
	return &fault{kind: kind, op: op, bucket: bucket, detail: printable.Text(detail, maxDetail), cause: cause}
}
