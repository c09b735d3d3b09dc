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

// Answer is a whole answer, read within its limit.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// LostError is a request without a whole answer.
type LostError struct {
	// Sent is false when the request cannot have been carried out: nothing of it went out. True means
	// that nobody can tell.
	Sent bool
	// Status is the answer's status when its head came and the rest did not; 0 otherwise.
	Status int
	Err    error
}

// Error says what happened; it holds the cause and no part of the address or of the request.
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

// ErrTooLarge is the cause of a LostError when an answer is larger than the caller believes it may
// be.
var ErrTooLarge = errors.New("answer is larger than its limit")

// Repeatable marks a request that does no harm when it is carried out twice, whatever its method:
// when a connection that was kept turns out to have ended, it is sent again on another one. Its
// body must be one that http.NewRequest knows how to send again.
func Repeatable(r *http.Request) {
	r.Header["Idempotency-Key"] = nil // http.Transport's sign for it; without a value it is not sent
}

// Exchange sends r and returns the whole answer, whatever its status; a body of more than limit
// bytes is not read further. The request's context bounds all of it. The error is a *LostError.
func Exchange(client *http.Client, r *http.Request, limit int64) (*Answer, error) {
	var sent atomic.Bool
	// Headers come before anything the other side could act upon, so that what failed earlier was not
	// carried out. The opposite is not true: they may still lie in a buffer. Then the outcome counts
	// as unknown although nothing happened.
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	resp, err := client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		var outer *url.Error // names the address, which is the caller's to log
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

// maxRetryAfter bounds what a server may ask us to wait.
const maxRetryAfter = time.Hour

// RetryAfter reads the header of that name, seconds or a date (RFC 9110 10.2.3): 0 if absent, in
// the past or not understood, an hour at most.
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
