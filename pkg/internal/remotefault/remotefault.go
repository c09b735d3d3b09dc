// Package remotefault says what a failed call to a remote signing service means: whether it may be
// tried again, and whether it may have made signatures all the same.
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

// Failure is a call that brought nothing. A nil *Failure is success. H is what the provider can do
// about it before its caller hears of it.
type Failure[H any] struct {
	*signing.Error
	Hint H
}

// New returns a failure whose formatted text is safe for the client.
func New[H any](kind signing.Kind, format string, args ...any) *Failure[H] {
	return &Failure[H]{Error: signing.Errorf(kind, format, args...)}
}

// Because sets the hidden cause and returns f.
func (f *Failure[H]) Because(err error) *Failure[H] {
	f.Error.Err = err
	return f
}

// Retryable marks f as worth another try, not before after has passed, and returns f.
func (f *Failure[H]) Retryable(after time.Duration) *Failure[H] {
	f.Retry, f.RetryAfter = true, after
	return f
}

// Can sets the hint and returns f.
func (f *Failure[H]) Can(h H) *Failure[H] {
	f.Hint = h
	return f
}

// Final reports whether a failure to fetch an answer says that it will never come: the service
// knows nothing of it, or what it has is no signature. What is wrong with us (token, account,
// settings) may be mended meanwhile.
func (f *Failure[H]) Final() bool {
	return errors.Is(f.Error, signing.ErrBadAnswer) || f.Kind == signing.KindProvider && !f.Retry
}

// Lost is a call without a whole answer, where err is outbound.Exchange's. Only a call that may
// sign leaves the outcome unknown, and only if it went out. The status of an answer whose body was
// lost proves nothing (see Refused). service is what the client reads.
func Lost[H any](service string, err error, signs bool) *Failure[H] {
	var l *outbound.LostError
	if !errors.As(err, &l) {
		return New[H](signing.KindInternal, "").Because(err)
	}
	var open *outbound.OpenError
	if errors.As(err, &open) {
		return New[H](
			signing.KindProvider,
			"%s has failed lately and is given a rest",
			service,
		).Because(
			err,
		).Retryable(
			open.RetryAfter,
		)
	}
	f := New[H](signing.KindProvider, "%s did not answer", service).Because(err).Retryable(0)
	f.Unknown = signs && l.Sent
	return f
}

// Unreadable is a good status with something behind it that is not the service's own answer.
func Unreadable[H any](service string, err error, signs bool) *Failure[H] {
	f := New[H](signing.KindProvider, "%s gave an invalid answer", service).Because(err).Retryable(0)
	f.Unknown = signs
	return f
}

// Unusable is a whole answer of the call that signs, or of the one that fetches, without values
// that could be signatures.
func Unusable[H any](service string, err error) *Failure[H] {
	f := New[H](
		signing.KindProvider,
		"%s gave an invalid answer",
		service,
	).Because(
		fmt.Errorf("%w: %w", signing.ErrBadAnswer, err),
	)
	f.Unknown = true
	return f
}

// Said is what a service's answer says about a failure, in the service's own form.
type Said struct {
	Code, Description string
	// Refusal is true if the service's specification defines Code as a refusal: then nothing was
	// signed. The provider sets it from the body, and never from the status alone, because gateways
	// and load balancers between us and the service answer 408, 429, 499, 404 or a redirect after
	// they have passed the request on.
	Refusal bool
}

// Refused completes f, which is what the provider makes of an answer that is no success: with the
// answer's Retry-After, whether it may have signed, whether there were only too many requests, and
// the service's own words for the log.
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

// Shared is a failure that others may hold too (fresh.Value): a copy, so that each may complete its
// own.
func Shared[H any](e *signing.Error) *Failure[H] {
	own := *e
	return &Failure[H]{Error: &own}
}

// Check refuses a call that the credential cannot make, before anything is sent.
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

// maxText bounds what of a service's own words reaches the log.
const maxText = 200

// Text makes a service's words fit for a log line.
func Text(s string) string { return printable.Text(s, maxText) }
