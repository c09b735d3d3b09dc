package signing

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Kind classifies an error. It is coarse enough to pass through every layer unchanged. Only
// pkg/api turns a Kind into an HTTP status, a vendor error code or a signError. The zero Kind is
// internal, and its text never leaves the process. Kinds are stored with failed documents, so a
// value keeps its meaning once it was released.
type Kind string

const (
	// KindInternal is a fault of the proxy itself. Any error that is not an *Error counts as
	// KindInternal.
	KindInternal Kind = ""

	// Faults of a request.

	KindMissing         Kind = "missing"         // a mandatory field is absent or empty
	KindInvalid         Kind = "invalid"         // a field has a value that cannot be accepted
	KindMalformed       Kind = "malformed"       // the body is not what its content type says
	KindTooLarge        Kind = "too-large"       // a limit on size or number was exceeded
	KindReferenceUsed   Kind = "reference-used"  // this client service has used the external reference before
	KindKeyReused       Kind = "key-reused"      // the Idempotency-Key was used before with other content
	KindUnauthenticated Kind = "unauthenticated" // credentials or token are missing, wrong or expired
	KindNotFound        Kind = "not-found"       // it does not exist, or it belongs to another client service
	KindNotEnded        Kind = "not-ended"       // the operation has not ended yet
	KindTooMany         Kind = "too-many"        // a rate limit was exceeded; RetryAfter says how long to wait
	// The queue or the spool is full, or the service is shutting down. RetryAfter says how long to
	// wait.
	KindBusy   Kind = "busy"
	KindHungUp Kind = "client-hung-up" // the client closed the connection before the answer was sent

	// Faults inside a document. They fail only that document.

	KindVisible     Kind = "visible-signature" // the visible signature cannot be made as requested
	KindNotDocument Kind = "not-document"      // the content is not of the declared type
	KindDamaged     Kind = "damaged"           // it is of the declared type, but broken, truncated or inconsistent
	KindEncrypted   Kind = "encrypted"         // it needs a password
	KindForbidden   Kind = "changes-forbidden" // a certification, lock or permission forbids a signature
	KindUnsupported Kind = "unsupported"       // it uses something that cannot be signed (XFA only, unknown encryption)
	KindTooComplex  Kind = "too-complex"       // a limit on objects, depth or expansion was exceeded
	KindBroken      Kind = "earlier-signature" // an earlier signature is already broken

	// Faults on the remote side. They decide the signError of a document.

	KindProviderCredentials Kind = "provider-credentials" // the service does not accept our client id, secret or PIN
	// The account or the credential is blocked, suspended or not ours.
	KindProviderAccount Kind = "provider-account"
	KindProvider        Kind = "provider"      // the service failed, was not reachable or gave an invalid answer
	KindConfiguration   Kind = "configuration" // the settings for this client service cannot work
	KindTimestamp       Kind = "timestamp"     // no timestamp authority gave a usable token
	KindRevocation      Kind = "revocation"    // no usable revocation data for the requested level
	// The certificate is expired, not yet valid, or not fit for signing.
	KindCertificate Kind = "certificate"
	KindStorage     Kind = "storage" // the disk of the proxy failed
	// The disk of the proxy holds other bytes than were accepted. They cannot be restored.
	KindAltered Kind = "altered"
)

// Error is the only error type of the domain. Detail is written for the client and is sent to it:
// it names the field or the reason, and contains nothing internal, no secret and no document
// content. Err is the hidden cause, for the log only.
type Error struct {
	Kind   Kind
	Detail string
	Err    error

	// Retry says that the same call may succeed later. The code that detects the fault sets it.
	// RetryAfter says how long to wait before a retry is useful; 0 = unknown.
	Retry      bool
	RetryAfter time.Duration

	// Unknown is set by a provider that cannot tell whether the signatures were made, because the
	// answer was lost. It must set it whenever the service may have carried out the request. Submit
	// sets it if it cannot tell whether the operation was stored. Nobody else sets it.
	Unknown bool
}

// Errorf returns an *Error of kind. The formatted text becomes Detail and must be safe for the
// client. Errorf does not wrap errors: use Because to add a hidden cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Because sets the hidden cause and returns e.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Retryable marks e as worth a retry, not before after has passed, and returns e.
func (e *Error) Retryable(after time.Duration) *Error {
	e.Retry, e.RetryAfter = true, after
	return e
}

// Error returns the text for logs, which contains the hidden cause. Never send it to a client: send
// Detail.
func (e *Error) Error() string {
	kind := string(e.Kind)
	if kind == "" {
		kind = "internal"
	}
	switch {
	case e.Detail == "" && e.Err == nil:
		return kind
	case e.Detail == "":
		return kind + ": " + e.Err.Error()
	case e.Err == nil:
		return kind + ": " + e.Detail
	}
	return kind + ": " + e.Detail + ": " + e.Err.Error()
}

// Unwrap returns the hidden cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns the *Error in err's chain, or an internal one around err. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Err: err}
}

// KindOf returns the kind of err. It returns KindInternal if there is no *Error in the chain of
// err.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	return KindInternal
}

// ErrBadAnswer is in the chain of a provider's error, with Unknown set, if the answer arrived
// completely and contains nothing that can be used. The signatures may have been made. A service
// that gives invalid answers is not paid twice, even if the policy for lost answers is to sign
// again.
var ErrBadAnswer = errors.New("answer does not fit the call")

// ErrTooMany is in the chain of a provider's error, with Retry set, if the service refused a call
// only because there were too many requests. The same call may be made again, and that does not use
// up an attempt of its operations.
var ErrTooMany = errors.New("too many requests")

// ErrRenewed is in the chain of a provider's error, without Unknown, if the service refused a call
// only because an access token or activation data had expired. The provider gets new ones for the
// next call. The same call may be made again at once, and that does not use up an attempt.
var ErrRenewed = errors.New("token or activation data had expired")

// ErrNothingYet is in the chain of a Resumer's error, with Retry set, if the service was reachable
// and had nothing under the handle. It may never have received the call. If the service gives this
// answer for minutes, the answer is taken as final.
var ErrNothingYet = errors.New("nothing there yet")

// ErrConflict is returned by Store when a record was not in the state that the caller expected. It
// is a fault of the caller or a race that the caller must handle; it never reaches a client.
var ErrConflict = errors.New("record is not in the expected state")

// storageError returns the *Error in the chain of err. If there is none, the fault is the store's
// own, and it returns a KindStorage error that may be retried.
func storageError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return (&Error{Kind: KindStorage, Err: err}).Retryable(0)
}

// panicToError turns a panic during the work on a document into an internal error, so that one
// hostile document does not affect the others. Call it with defer.
func panicToError(err *error) {
	if r := recover(); r != nil {
		*err = &Error{Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())}
	}
}

// panicToUnknown turns a panic of a provider into an error that says that the outcome is unknown.
// Call it with defer.
func panicToUnknown(err *error) {
	if r := recover(); r != nil {
		*err = &Error{Kind: KindProvider, Unknown: true, Err: fmt.Errorf("panic: %v", r)}
	}
}
