package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// Sign sends a request and waits for its result. It writes signed contents to sink; if sink is nil,
// it does not request them. The operation may still be pending when the proxy's own waiting time is
// over. Use Wait and Detail then.
func (c *Client) Sign(ctx context.Context, r *Request, sink Sink) (*Operation, error) {
	var op Operation
	err := c.post(ctx, "api/v0/document/sign/base64/", r, sink != nil, func(body io.Reader) error {
		return readOperation(body, sink, boundsOf(r), &op)
	})
	if err != nil {
		return nil, err
	}
	return &op, nil
}

// SignAsync sends a request and returns as soon as the proxy has stored it on disk.
func (c *Client) SignAsync(ctx context.Context, r *Request) (*Accepted, error) {
	var accepted Accepted
	err := c.post(ctx, "api/v0/document/sign/async/base64/", r, true, func(body io.Reader) error {
		return readJSON(body, &accepted)
	})
	if err != nil {
		return nil, err
	}
	return &accepted, nil
}

func (c *Client) post(ctx context.Context, path string, r *Request, content bool, read func(io.Reader) error) error {
	segs, err := r.segments(content)
	if err != nil {
		return err
	}
	size := length(segs)
	return c.do(ctx, call{
		method: http.MethodPost, path: path, key: r.Key, read: read,
		body: func() (io.ReadCloser, int64, error) { return &body{segs: segs}, size, nil },
	})
}

// Status returns the operations with that external reference, the newest first.
func (c *Client) Status(ctx context.Context, reference string) ([]Operation, error) {
	return c.status(ctx, reference, 0)
}

// status is Status, but lets the proxy delay its answer for up to wait, rounded down to seconds,
// while the newest operation has not ended.
func (c *Client) status(ctx context.Context, reference string, wait time.Duration) ([]Operation, error) {
	var ops []Operation
	path := "api/v0/operation/status/withExternalReference/" + url.PathEscape(reference)
	if wait >= time.Second {
		path += "?wait=" + strconv.Itoa(int(wait/time.Second)) + "s"
	}
	err := c.do(ctx, call{method: http.MethodGet, path: path, read: func(body io.Reader) error {
		ops = nil
		return readJSON(body, &ops)
	}})
	return ops, err
}

// Detail returns the newest operation with that external reference and its documents. It writes the
// signed contents to sink; if sink is nil, it does not request them. If all contents together have
// more than Config.MaxContent bytes, the error is ErrTooMuch.
func (c *Client) Detail(ctx context.Context, reference string, sink Sink) (*Operation, error) {
	var op Operation
	path := "api/v0/operation/sign/detail/withExternalReference/" + url.PathEscape(reference)
	if sink == nil {
		path += "?includeContent=false"
	}
	err := c.do(ctx, call{method: http.MethodGet, path: path, read: func(body io.Reader) error {
		return readOperation(body, sink, bounds{documents: maxDocuments, bytes: c.cfg.MaxContent}, &op)
	}})
	if err != nil {
		return nil, err
	}
	return &op, nil
}

const (
	// pollWait is how long the proxy may delay the answer to a status call. It is well below the
	// time-outs of usual HTTP proxies and of this client.
	pollWait = 20 * time.Second
	// Times between two status calls, for a proxy that does not delay its answers.
	firstPoll = 200 * time.Millisecond
	maxPoll   = 2 * time.Second
)

// Wait polls the newest operation with that external reference until it has ended, and returns it.
func (c *Client) Wait(ctx context.Context, reference string) (*Operation, error) {
	for pause := firstPoll; ; pause = min(pause*3/2, maxPoll) {
		ops, err := c.status(ctx, reference, pollWait)
		if err != nil {
			return nil, err
		}
		if len(ops) == 0 {
			return nil, errors.New("the proxy does not know the operation")
		}
		if ops[0].Ended() {
			return &ops[0], nil
		}
		if err := pace.Pause(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// readJSON reads an answer without signed content into v.
func readJSON(body io.Reader, v any) error {
	scan := jsonstream.NewScanner(body, jsonstream.Limits{TextBytes: maxAnswerText})
	raw, err := scan.Raw(maxAnswerText)
	if err != nil {
		return answerError(err)
	}
	if err := json.Unmarshal([]byte(raw), v); err != nil {
		return permanentError{fmt.Errorf("read answer: %w", err)}
	}
	return nil
}
