// Package clientauth shows a client's id and secret to an OAuth2 endpoint (RFC 6749 2.3.1).
package clientauth

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// Method says where id and secret are sent. Empty = Basic.
type Method string

const (
	// Basic sends them in the Authorization header (client_secret_basic).
	Basic Method = "basic"
	// Form sends them in the request's form as client_id and client_secret (client_secret_post).
	Form Method = "form"
)

// Validate returns a mistake in m, which is the value of the setting with that name.
func (m Method) Validate(setting string) error {
	switch m {
	case "", Basic, Form:
		return nil
	}
	return fmt.Errorf("%s: %q is not basic or form", setting, m)
}

// Client shows id and secret to one endpoint, and remembers which form of Basic the endpoint
// understands. It is safe for concurrent use. The zero value uses Basic.
type Client struct {
	Method Method

	mu    sync.Mutex
	known bool // the endpoint's way with Basic has been seen
	raw   bool // it does not decode what Basic holds
}

// Outcome is what an endpoint made of id and secret.
type Outcome int

const (
	// Undecided means that the endpoint did not judge them: it did not answer, or it refused
	// something else.
	Undecided Outcome = iota
	// Accepted means that they are good.
	Accepted
	// Refused means that they are not good, as far as the endpoint understood them.
	Refused
)

// Way is one way to show id and secret.
type Way int

const (
	encoded Way = iota
	raw
	form
)

// Try calls ask with one way after another, until the endpoint does not refuse id and secret.
//
// RFC 6749 2.3.1 wants id and secret form-urlencoded before they go into Basic, but many endpoints
// do not decode them. So the encoded form is tried first, and then the raw form, where the two
// differ. What an endpoint understood once is used from then on, because each refusal may bring the
// client nearer to being locked out.
func (c *Client) Try(id, secret string, ask func(Way) Outcome) {
	ways := c.ways(id, secret)
	for _, w := range ways {
		outcome := ask(w)
		if outcome == Refused {
			continue
		}
		if outcome == Accepted && len(ways) > 1 {
			c.mu.Lock()
			c.known, c.raw = true, w == raw
			c.mu.Unlock()
		}
		return
	}
}

func (c *Client) ways(id, secret string) []Way {
	if c.Method == Form || secret == "" { // a public client has no secret and names itself in the form (RFC 6749 3.2.1)
		return []Way{form}
	}
	if url.QueryEscape(id) == id && url.QueryEscape(secret) == secret {
		return []Way{raw}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.known && c.raw:
		return []Way{raw}
	case c.known:
		return []Way{encoded}
	}
	return []Way{encoded, raw}
}

// AddTo puts id and secret into values, if that is the way.
func (w Way) AddTo(values url.Values, id, secret string) {
	if w != form {
		return
	}
	values.Set("client_id", id)
	if secret != "" {
		values.Set("client_secret", secret)
	}
}

// SetHeader puts id and secret into the header of r, if that is the way.
func (w Way) SetHeader(r *http.Request, id, secret string) {
	switch w {
	case encoded:
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	case raw:
		r.SetBasicAuth(id, secret)
	}
}
