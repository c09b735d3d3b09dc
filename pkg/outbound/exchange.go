package outbound

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// Answer is a complete answer of a server, with its whole body.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// LostError is the error of a request that got no complete answer.
type LostError struct {
	// Sent is false if the server cannot have carried out the request, because no part of it was sent.
	// If Sent is true, the server may have carried it out or not.
	Sent bool
	// Status is the status of the answer when its header arrived but the rest did not; 0 otherwise.
	Status int
	Err    error
}

// Error describes what happened. The text contains the cause, but no part of the address or the
// request.
func (e *LostError) Error() string {
	switch {
	case e.Status != 0:
		return fmt.Sprintf("answer with status %d was lost: %v", e.Status, e.Err)
	case e.Sent:
		return fmt.Sprintf("answer was lost: %v", e.Err)
	}
	return fmt.Sprintf("request was not sent: %v", e.Err)
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// ErrTooLarge is the cause of a LostError when an answer is larger than the caller's limit.
var ErrTooLarge = errors.New("answer is larger than its limit")

// MarkRepeatable marks r as a request that does no harm if the server carries it out twice. The
// server may close an idle connection while http.Transport sends a request on it. http.Transport
// then sends a marked request again on another connection, even if its method is POST. The body
// must be of a type that http.NewRequest can replay.
func MarkRepeatable(r *http.Request) {
	r.Header["Idempotency-Key"] = nil // http.Transport looks for this key; without a value the header is not sent
}

// Exchange sends r and returns the complete answer, whatever its status. A body of more than limit
// bytes is an error; the rest is not read. The context of the request bounds the whole exchange.
// The error is a *LostError.
func Exchange(client *http.Client, r *http.Request, limit int64) (*Answer, error) {
	var sent atomic.Bool
	// Headers are sent before anything that the other side could act upon, so a request that failed
	// earlier was not carried out. The opposite is not true: the headers may still be in a buffer when
	// the call fails. Then the outcome counts as unknown although nothing happened.
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	resp, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		var outer *url.Error // its text contains the address, which only the caller may log
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, &LostError{Sent: sent.Load(), Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = ErrTooLarge
	}
	if err != nil {
		return nil, &LostError{Sent: true, Status: resp.StatusCode, Err: err}
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// maxRetryAfter is the longest wait that we accept from a server.
const maxRetryAfter = time.Hour

// RetryAfter reads the Retry-After header, in seconds or as a date (RFC 9110 10.2.3). It returns 0
// if the header is absent, in the past or not understood. It returns at most one hour.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
