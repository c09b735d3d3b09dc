package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Statuses of an operation.
const (
	StatusPending  = "PENDING_EXECUTION" // accepted, not ended
	StatusRetrying = "EXECUTION_ERROR"   // a try failed, and the proxy will retry
	StatusExecuted = "EXECUTED"          // ended, at least one document was signed
	StatusFailed   = "EXECUTION_FAILED"  // ended, no document was signed
)

// Signed is the signStatus of a document that was signed.
const Signed = "SIGNED"

// Operation is the state of one sign request. Documents is empty if only the status was requested.
type Operation struct {
	ID            int64            `json:"id"`
	Status        string           `json:"status"`
	Reference     string           `json:"folderExternalReference"`
	Created       string           `json:"creationDate"`
	ExecutionTime int64            `json:"executionTime"` // milliseconds
	Host          string           `json:"host"`
	Port          int              `json:"port"`
	Documents     []SignedDocument `json:"documentList"`
}

// Ended reports whether the operation has ended, so that its state no longer changes.
func (o *Operation) Ended() bool { return o.Status == StatusExecuted || o.Status == StatusFailed }

// SignedDocument is one document of an Operation.
type SignedDocument struct {
	Reference     string `json:"externalReference"`
	Name          string `json:"name"`        // as the request gave it
	ContentType   string `json:"contentType"` // as the request gave it
	SignStatus    string `json:"signStatus"`
	SignError     string `json:"signError"`
	ErrorCode     string `json:"signErrorCode"`
	ErrorCause    string `json:"signErrorCause"`
	ContentLength int64  `json:"contentLength"` // bytes before signing

	// SignedName and SignedContentType are empty if they are Name and ContentType.
	SignedName        string `json:"signedName"`
	SignedContentType string `json:"signedContentType"`

	// Content is the number of the signed content in the Sink, or -1 if there is no signed content.
	Content int `json:"-"`
}

// ResultName returns the name of the signed document.
func (d *SignedDocument) ResultName() string { return cmp.Or(d.SignedName, d.Name) }

// ResultContentType returns the content type of the signed document.
func (d *SignedDocument) ResultContentType() string {
	return cmp.Or(d.SignedContentType, d.ContentType)
}

// Failure returns in one line why the document was not signed. It is empty if it was signed.
func (d *SignedDocument) Failure() string {
	if d.SignStatus == Signed {
		return ""
	}
	text := d.SignError
	if text == "" {
		text = "status " + d.SignStatus
	}
	if d.ErrorCode != "" {
		text += " " + d.ErrorCode
	}
	if d.ErrorCause != "" {
		text += ": " + d.ErrorCause
	}
	return text
}

// Accepted is the answer to an asynchronous request. The operation is durable, and the instance at
// Host and Port knows its state.
type Accepted struct {
	ID        int64  `json:"id"`
	Reference string `json:"externalReference"`
	Status    string `json:"status"`
	Host      string `json:"host"`
	Port      int    `json:"port"`
}

// Error is an answer of the proxy that refuses a call.
type Error struct {
	HTTPStatus  int
	Code        string        // vendor error code, as 0.0.7; may be empty
	Description string        // of the code
	Cause       string        // which field of which document, and why
	RetryAfter  time.Duration // 0 = not said
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("HTTP %d", e.HTTPStatus)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Description != "" {
		text += " " + e.Description
	}
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// retryable reports whether the same call may succeed later.
func (e *Error) retryable() bool {
	return e.HTTPStatus == http.StatusTooManyRequests || e.HTTPStatus == http.StatusServiceUnavailable
}

// maxErrorBody bounds the bytes that are read of a refusal.
const maxErrorBody = 64 << 10

// readError returns the Error of an answer that is not a success. It ignores a body that is not the
// proxy's, such as the page of a load balancer.
func readError(resp *http.Response) *Error {
	e := &Error{HTTPStatus: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	var body struct {
		Code        string `json:"errorCode"`
		Description string `json:"errorCodeDescription"`
		Cause       string `json:"causeMessage"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, maxErrorBody)).Decode(&body) == nil {
		e.Code, e.Description, e.Cause = body.Code, body.Description, body.Cause
	}
	return e
}

// retryAfter reads a Retry-After header, which holds seconds or a date. It returns 0 if there is
// none.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
