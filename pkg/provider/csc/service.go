package csc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// method is one API method with its time limit and the size limit of its answer.
type method struct {
	name    string
	limit   int64 // bytes
	timeout time.Duration
	signs   bool
	reads   bool // a read-only method; it may be sent any number of times
}

// The limits. Descriptions of services and credentials take a few KB, a chain of ten certificates
// about 30 KB, so an answer above one megabyte is not plausible. Authorising may involve an HSM and
// another service, so it may take a minute.
const (
	maxDescription = 1 << 20
	maxSmall       = 64 << 10
	maxValueText   = 2 << 10 // an RSA-8192 value in base64, with room
)

var (
	methodInfo       = method{name: "info", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodList       = method{name: "credentials/list", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodCredential = method{name: "credentials/info", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodAuthorize  = method{name: "credentials/authorize", limit: maxSmall, timeout: time.Minute}
	methodCheck      = method{name: "credentials/authorizeCheck", limit: maxSmall, timeout: 30 * time.Second}
)

// methodSign returns signatures/signHash for n digests.
func methodSign(n int) method {
	return method{name: "signatures/signHash", limit: maxSmall + int64(n)*maxValueText, timeout: 0, signs: true}
}

func methodPolling(n int) method {
	return method{
		name:    "signatures/signPolling",
		limit:   maxSmall + int64(n)*maxValueText,
		timeout: 30 * time.Second,
		reads:   true,
	}
}

// client calls the methods of the API. It is safe for concurrent use.
type client struct {
	http   *http.Client
	tokens *tokens
}

// post makes one call and decodes its answer into out. If there is no failure, the status is 200,
// 202 or 204.
func (c *client) post(ctx context.Context, base string, m method, token string, in, out any) (int, *failure) {
	if m.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.timeout)
		defer cancel()
	}
	body, err := json.Marshal(in)
	if err != nil {
		return 0, fail(signing.KindInternal, "").Because(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/"+m.name, bytes.NewReader(body))
	if err != nil {
		return 0, fail(signing.KindConfiguration, "url: cannot be used").Because(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return c.exchange(r, m, out)
}

func (c *client) exchange(r *http.Request, m method, out any) (int, *failure) {
	r.Header.Set("Accept", "application/json")
	if m.reads {
		outbound.MarkRepeatable(r)
	}
	a, err := outbound.Exchange(c.http, r, m.limit)
	if err != nil {
		return 0, lost(err, m.signs)
	}
	if a.Status >= 300 {
		return a.Status, refusal(a, m.signs)
	}
	if a.Status == http.StatusNoContent {
		return a.Status, nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		if m.name == methodAuthorize.name || m.name == methodCheck.name {
			err = errors.New("not JSON of the expected form") // the cause might quote activation data
		}
		return a.Status, unreadable(fmt.Errorf("read answer of %s: %w", m.name, err), m.signs)
	}
	return a.Status, nil
}

// authorized is post with an access token. If the token is refused, it gets another one and repeats
// the call. It does not repeat the call that signs, because the caller must count each signHash
// that is sent.
func (c *client) authorized(ctx context.Context, at *serviceInfo, m method, in, out any) (int, *failure) {
	for try := 1; ; try++ {
		token, f := c.tokens.get(ctx, at.tokens)
		if f != nil {
			return 0, f
		}
		status, f := c.post(ctx, at.base, m, token, in, out)
		if f == nil || f.Hint != renewToken || try == 2 {
			return status, f
		}
		c.tokens.drop(token)
		if m.signs {
			return status, f
		}
	}
}
