package signing

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong, coarsely enough to survive every layer. Only pkg/api turns a Kind into
// an HTTP status, a vendor error code or a signError. The zero Kind is internal: its text never
// leaves the process. Kinds are stored with failed documents, so a value, once released, keeps its
// meaning.
type Kind string

const (
	// KindInternal is a fault of ours, and what any error that is not an *Error counts as.
	KindInternal Kind = ""

	// Faults of a request.

	KindMissing         Kind = "missing"         // a mandatory field is absent or empty
	KindInvalid         Kind = "invalid"         // a field has a value that cannot be accepted
	KindMalformed       Kind = "malformed"       // the body is not what its content type says
	KindTooLarge        Kind = "too-large"       // a size or count limit was passed
	KindReferenceUsed   Kind = "reference-used"  // this client service used the external reference before
	KindKeyReused       Kind = "key-reused"      // the Idempotency-Key came before with other content
	KindUnauthenticated Kind = "unauthenticated" // credentials or token are missing, wrong or expired
	KindNotFound        Kind = "not-found"       // no such thing, or somebody else's
	KindNotEnded        Kind = "not-ended"       // the operation has not ended yet
	KindTooMany         Kind = "too-many"        // a rate limit was passed; RetryAfter says how long to wait
	// queue or spool is full, or shutting down; RetryAfter says how long to wait
	KindBusy   Kind = "busy"
	KindHungUp Kind = "client-hung-up" // the client went away; there is nobody to answer

	// Faults inside a document. They fail that document alone.

	KindVisible     Kind = "visible-signature" // the visible signature is impossible as asked for
	KindNotDocument Kind = "not-document"      // the content is not of the declared type at all
	KindDamaged     Kind = "damaged"           // it is of that type, but broken, truncated or inconsistent
	KindEncrypted   Kind = "encrypted"         // it needs a password
	KindForbidden   Kind = "changes-forbidden" // a certification, lock or permission forbids a signature
	KindUnsupported Kind = "unsupported"       // it uses something that cannot be signed (XFA only, unknown encryption)
	KindTooComplex  Kind = "too-complex"       // a bound on objects, depth or expansion was reached
	KindBroken      Kind = "earlier-signature" // an earlier signature is already broken

	// Faults on the remote side. They decide the signError of a document.

	KindProviderCredentials Kind = "provider-credentials" // the service does not accept our client id, secret or PIN
	// the account or the credential is blocked, suspended or not ours
	KindProviderAccount Kind = "provider-account"
	KindProvider        Kind = "provider"      // the service failed, was out of reach or answered nonsense
	KindConfiguration   Kind = "configuration" // our settings for this client service cannot work
	KindTimestamp       Kind = "timestamp"     // no timestamp authority gave a usable token
	KindRevocation      Kind = "revocation"    // no usable revocation data for the level asked for
	// the certificate is expired, not yet valid, or not fit for signing
	KindCertificate Kind = "certificate"
	KindStorage     Kind = "storage" // our own disk failed
	// our own disk holds other bytes than were accepted; nothing brings them back
	KindAltered Kind = "altered"
)

// Error is the one error of the domain. Detail is written for the client and reaches the wire: it
// names the field or the reason and holds nothing internal, no secret and no document content. Err
// is the hidden cause, for the log only.
type Error struct {
	Kind   Kind
	Detail string
	Err    error

	// Retry is stated by whoever knows: the same call may succeed later. RetryAfter is the earliest
	// useful moment; 0 = unknown.
	Retry      bool
	RetryAfter time.Duration

	// Unknown is set by a provider that cannot tell whether the signatures were made: the answer was
	// lost. Only a provider sets it, and it must set it whenever the request may have been carried
	// out.
	Unknown bool
}

// Errorf returns an *Error of kind whose formatted text is safe for the client. It does not wrap:
// give a hidden cause with Because.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Because sets the hidden cause and returns e.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// Retryable marks e as worth another try, not before after has passed, and returns e.
func (e *Error) Retryable(after time.Duration) *Error {
	e.Retry, e.RetryAfter = true, after
	return e
}

// Error is the text for logs: it holds the hidden cause. Never send it; send Detail.
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

// KindOf returns the kind of err; KindInternal when err is none of ours.
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	return KindInternal
}

// ErrBadAnswer is in the chain of a provider's error, with Unknown set, whose answer came whole and
// holds nothing that can be used: the signatures may have been made, and a service that answers
// nonsense is not paid twice, whatever the policy for lost answers is.
var ErrBadAnswer = errors.New("answer does not fit the call")

// ErrTooMany is in the chain of a provider's error, with Retry set, that refused a call only
// because there were too many: the same call may be made again without its documents having used up
// a try.
var ErrTooMany = errors.New("too many requests")

// ErrRenewed is in the chain of a provider's error, without Unknown, that refused a call only
// because an access token or activation data had ended. The provider gets new ones for the next
// call: the same call may be made again at once, and uses up no try.
var ErrRenewed = errors.New("token or activation data had ended")

// ErrNothingYet is in the chain of a Resumer's error, with Retry set, where the service was there
// and had nothing under the handle. It may not have got the call: what it says for minutes is
// believed.
var ErrNothingYet = errors.New("nothing there yet")

// ErrConflict is returned by Store when a record was not in the state that the caller expected. It
// is a fault of the caller or a race that the caller must handle; it never reaches a client.
var ErrConflict = errors.New("record is not in the expected state")
