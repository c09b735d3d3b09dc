package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// call is one call of the API.
type call struct {
	method string
	path   string // under basePath
	key    string // Idempotency-Key; empty = none
	body   func() (io.ReadCloser, int64, error)
	// read reads a successful answer. It is called again if the answer broke off and the call is
	// repeated.
	read func(io.Reader) error
}

// repeatable reports whether making the call twice has the same effect as making it once.
func (k *call) repeatable() bool { return k.method == http.MethodGet || k.key != "" }

// do makes a call and retries it while that is allowed and Patience lasts.
func (c *Client) do(ctx context.Context, k call) error {
	giveUp := time.Now().Add(c.cfg.Patience)
	renewed := false
	for try := 0; ; try++ {
		err := c.once(ctx, k)
		if err == nil || ctx.Err() != nil {
			return err
		}
		var e *Error
		refused := errors.As(err, &e)
		if refused && e.HTTPStatus == http.StatusUnauthorized && !renewed && c.auth.drop(c.root) {
			renewed = true
			continue
		}
		wait, again := k.retry(err, e, try)
		if !again || time.Now().Add(wait).After(giveUp) {
			return err
		}
		if c.cfg.Retrying != nil {
			c.cfg.Retrying(err, wait)
		}
		if err := pace.Pause(ctx, wait); err != nil {
			return err
		}
	}
}

// Back-off between tries if the proxy sends no Retry-After.
const (
	firstWait = 250 * time.Millisecond
	maxWait   = 10 * time.Second
)

// retry reports whether another try makes sense after err, and how long to wait before. e is err as
// a refusal of the proxy, or nil.
func (k *call) retry(err error, e *Error, try int) (time.Duration, bool) {
	wait := pace.Backoff{First: firstWait, Max: maxWait}.After(try + 1)
	wait += rand.N(wait / 4) // jitter: other clients may have been refused at the same moment
	if e != nil {
		if e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		// A refusal means that nothing was done, so the call may be repeated even without a key.
		return wait, e.retryable()
	}
	if permanent := new(permanentError); errors.As(err, permanent) {
		return 0, false
	}
	return wait, k.repeatable()
}

// permanentError marks an error that another try does not solve.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// once makes one try of a call.
func (c *Client) once(ctx context.Context, k call) error {
	req, err := c.request(ctx, k)
	if err != nil {
		return err
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if errors.Is(err, errChanged) || errors.Is(err, ErrRedirected) {
			return permanentError{err}
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 3 { // a redirect that is not followed because the body cannot be sent again
		return permanentError{fmt.Errorf("%w (status %d)", ErrRedirected, resp.StatusCode)}
	}
	if resp.StatusCode/100 != 2 {
		return readError(resp)
	}
	return k.read(resp.Body)
}

// largeBody is the size in bytes above which the client waits for 100 Continue before it sends the
// body, so that a refusal costs no upload.
const largeBody = 1 << 20

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, c.root+basePath+k.path, nil)
	if err != nil {
		return nil, permanentError{fmt.Errorf("make request: %w", err)}
	}
	req.Header.Set("Accept", "application/json")
	if err := c.auth.authorize(ctx, req, c.root); err != nil {
		return nil, err
	}
	if k.key != "" {
		req.Header.Set("Idempotency-Key", k.key)
	}
	if k.body == nil {
		return req, nil
	}
	body, size, err := k.body()
	if err != nil {
		return nil, permanentError{err}
	}
	req.Body, req.ContentLength = body, size
	req.Header.Set("Content-Type", "application/json")
	if size > largeBody {
		req.Header.Set("Expect", "100-continue")
	}
	return req, nil
}
