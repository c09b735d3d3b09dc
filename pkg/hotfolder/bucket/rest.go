package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// rest makes requests to a store whose interface is plain HTTP.
type rest struct {
	client    httpClient
	bucket    string
	patience  patience
	buffers   buffers
	authorize func(*http.Request) error
}

func (r *rest) name() string { return r.bucket }

// request is a request that can be made several times.
type request struct {
	op     string
	method string // empty = GET
	url    string
	header http.Header
	body   []byte
	limit  time.Duration // of an attempt; 0 = patience.small
}

// send makes attempts until one succeeds, and calls read with the answer. read may be nil. An error
// of read that is no fault counts as a lost connection.
func (r *rest) send(ctx context.Context, q request, read func(*http.Response) error) error {
	limit := q.limit
	if limit == 0 {
		limit = r.patience.small
	}
	return r.patience.call(ctx, limit, func(ctx context.Context) error {
		err := r.attempt(ctx, q, read)
		var known *fault
		switch {
		case err == nil:
			return nil
		case errors.As(err, &known):
			return newFault(known.kind, q.op, r.bucket, known.detail, known.cause)
		}
		return newFault(errTransient, q.op, r.bucket, "", err)
	})
}

func (r *rest) attempt(ctx context.Context, q request, read func(*http.Response) error) error {
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	out, err := http.NewRequestWithContext(ctx, method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return &fault{kind: errOther, detail: "the URL is not valid"}
	}
	if q.header != nil {
		out.Header = q.header.Clone()
	}
	if err := r.authorize(out); err != nil {
		return err
	}
	answer, err := r.client.Do(out)
	if err != nil {
		return err
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, answer.Body, smallBytes) // so that the connection can be used again
		_ = answer.Body.Close()
	}()
	if answer.StatusCode >= 300 && answer.StatusCode != http.StatusPermanentRedirect {
		return refusal(answer)
	}
	if read == nil {
		return nil
	}
	return read(answer)
}

// azureKinds says what the error codes of Azure mean. Other answers are judged by their status.
var azureKinds = map[string]error{
	"BlobAlreadyExists":     errCondition,
	"ConditionNotMet":       errCondition,
	"ContainerNotFound":     errNoBucket,
	"InvalidBlockList":      errNotFound, // the blocks were committed, or discarded
	"ContainerBeingDeleted": errTransient,
}

// refusal describes an answer that is an error.
func refusal(answer *http.Response) error {
	if code := answer.Header.Get("X-Ms-Error-Code"); code != "" {
		kind, found := azureKinds[code]
		if !found {
			kind = kindOfStatus(answer.StatusCode)
		}
		return &fault{kind: kind, detail: code}
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxDetail))
	return &fault{
		kind:   kindOfStatus(answer.StatusCode),
		detail: fmt.Sprintf("HTTP status %d: %s", answer.StatusCode, body),
	}
}

// json makes a request and reads its answer as JSON.
func (r *rest) json(ctx context.Context, q request, into any) (http.Header, error) {
	var header http.Header
	err := r.send(ctx, q, func(answer *http.Response) error {
		header = answer.Header
		return json.NewDecoder(answer.Body).Decode(into)
	})
	return header, err
}

// serverTime returns the clock of a server.
func serverTime(header http.Header) time.Time {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}
