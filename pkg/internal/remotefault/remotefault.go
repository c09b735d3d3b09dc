// Package remotefault classifies failed calls to a remote signing service: whether the call may be
// retried, and whether it may have made signatures although it failed.
package remotefault

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Failure is the error of a failed call. A nil *Failure means success. The hint H tells the
// provider what it can do about the failure before it returns the failure to its caller.
type Failure[H any] struct {
	*signing.Error
	Hint H
}

// New returns a failure. The formatted text is sent to the client, so it must hold no internal
// detail.
func New[H any](kind signing.Kind, format string, args ...any) *Failure[H] {
	return &Failure[H]{Error: signing.Errorf(kind, format, args...)}
}

// Because sets the cause, which clients do not see, and returns f.
func (f *Failure[H]) Because(err error) *Failure[H] {
	f.Error.Err = err
	return f
}

// Retryable marks f as retryable, no earlier than the duration after, and returns f.
func (f *Failure[H]) Retryable(after time.Duration) *Failure[H] {
	f.Retry, f.RetryAfter = true, after
	return f
}

// Can sets the hint and returns f.
func (f *Failure[H]) Can(h H) *Failure[H] {
	f.Hint = h
	return f
}

// Final reports whether a failure to fetch an answer means that the answer will never come: the
// service does not know the call, or its result contains no signature. Faults on our side (token,
// account, settings) are not final, because an operator may correct them.
func (f *Failure[H]) Final() bool {
	return errors.Is(f.Error, signing.ErrBadAnswer) || f.Kind == signing.KindProvider && !f.Retry
}

// Lost returns the failure of a call that got no complete answer. err comes from outbound.Exchange.
// The outcome is unknown only if the call may sign and the request was sent. The status of an
// answer whose body was lost proves nothing (see Refused). service is the service's name in the
// text for the client.
func Lost[H any](service string, err error, signs bool) *Failure[H] {
	var l *outbound.LostError
	if !errors.As(err, &l) {
		return New[H](signing.KindInternal, "").Because(err)
	}
	var open *outbound.OpenError
	if errors.As(err, &open) {
		return New[H](signing.KindProvider, "%s failed recently and is not called for a while", service).
			Because(err).Retryable(open.RetryAfter)
	}
	f := New[H](signing.KindProvider, "%s did not answer", service).Because(err).Retryable(0)
	f.Unknown = signs && l.Sent
	return f
}

// Unreadable returns the failure of a call whose status was a success but whose body is not an
// answer of the service itself. The outcome is unknown if the call may sign.
func Unreadable[H any](service string, err error, signs bool) *Failure[H] {
	f := New[H](signing.KindProvider, "%s gave an invalid answer", service).Because(err).Retryable(0)
	f.Unknown = signs
	return f
}

// Unusable returns the failure of a call that signs, or that fetches signatures, whose complete
// answer contains no values that could be signatures. The outcome is unknown.
func Unusable[H any](service string, err error) *Failure[H] {
	f := New[H](signing.KindProvider, "%s gave an invalid answer", service).
		Because(fmt.Errorf("%w: %w", signing.ErrBadAnswer, err))
	f.Unknown = true
	return f
}

// Said is what the answer of a service says about a failure, in the service's own words.
type Said struct {
	Code, Description string
	// Refusal is true if the specification of the service defines Code as a refusal, so that nothing
	// was signed. The provider sets it from the body, and never from the status alone, because
	// gateways and load balancers between us and the service answer 408, 429, 499, 404 or a redirect
	// after they have passed the request on.
	Refusal bool
}

// Refused completes f, which the provider has made from an answer that is not a success. It adds
// the answer's Retry-After, whether the call may have signed, whether the cause was a rate limit,
// and the service's own words for the log.
func Refused[H any](f *Failure[H], a *outbound.Answer, signs bool, said Said) *Failure[H] {
	if after := outbound.RetryAfter(a.Header, time.Now()); f.Retry && after > 0 {
		f.RetryAfter = after
	}
	f.Unknown = signs && !said.Refusal
	f.Because(fmt.Errorf("status %d, error %q: %q", a.Status, Text(said.Code), Text(said.Description)))
	if a.Status == http.StatusTooManyRequests && f.Retry {
		f.Because(fmt.Errorf("%w: %w", signing.ErrTooMany, f.Err))
	}
	return f
}

// Undescribed returns the failure of a credential that several callers waited for (fresh.Value). It
// holds a copy of the domain error in err, because other callers may hold that error too and each
// may change its own copy. An err without one means that the wait ended first: it may be retried.
func Undescribed[H any](service string, err error) *Failure[H] {
	var e *signing.Error
	if !errors.As(err, &e) {
		return New[H](signing.KindProvider, "%s did not describe the credential in time", service).
			Because(err).Retryable(0)
	}
	own := *e
	return &Failure[H]{Error: &own}
}

// Check refuses a call that the credential cannot serve, before anything is sent.
func Check[H any](c *signing.Credential, call signing.Call) *Failure[H] {
	if n := len(call.Digests); n < 1 || n > c.MaxBatch {
		return New[H](signing.KindConfiguration, "a call of %d digests is not between 1 and %d", n, c.MaxBatch)
	}
	for _, d := range call.Digests {
		if len(d) != c.Hash.Size() {
			return New[H](signing.KindConfiguration, "a digest of %d bytes is not one of the credential's hash", len(d))
		}
	}
	return nil
}

// maxText is how much of a service's own words goes into the log, in characters.
const maxText = 200

// Text cleans a service's words for a log line.
func Text(s string) string { return printable.Text(s, maxText) }
