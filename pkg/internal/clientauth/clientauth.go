// Package clientauth sends a client's id and secret to an OAuth2 endpoint (RFC 6749 2.3.1).
package clientauth

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
)

// Method says where the id and the secret are sent. Empty means Basic.
type Method string

const (
	// Basic sends them in the Authorization header (client_secret_basic).
	Basic Method = "basic"
	// Form sends them in the request's form as client_id and client_secret (client_secret_post).
	Form Method = "form"
)

// Validate returns an error if m is not a known method. setting is the name of the setting that
// holds m.
func (m Method) Validate(setting string) error {
	switch m {
	case "", Basic, Form:
		return nil
	}
	return fmt.Errorf("%s: %q is not basic or form", setting, m)
}

// Client sends an id and a secret to one endpoint and remembers which encoding of Basic the
// endpoint understands. It is safe for concurrent use. The zero value uses Basic.
type Client struct {
	Method Method

	mu    sync.Mutex
	known bool // whether the endpoint accepts raw or encoded values in Basic is known
	raw   bool // the endpoint does not decode the values in Basic
}

// Outcome says how an endpoint judged the id and the secret.
type Outcome int

const (
	// Undecided means that the endpoint did not judge them: it did not answer, or it refused the
	// request for another reason.
	Undecided Outcome = iota
	// Accepted means that they are correct.
	Accepted
	// Refused means that they are wrong, or that the endpoint did not understand their encoding.
	Refused
)

// Way is one way to send the id and the secret.
type Way int

const (
	encoded Way = iota
	raw
	form
)

// Try calls ask with one way after another until the endpoint does not refuse the id and the
// secret.
//
// RFC 6749 2.3.1 requires the id and the secret to be form-urlencoded before they go into Basic,
// but many endpoints do not decode them. So Try uses the encoded form first and then, if the two
// differ, the raw form. Once an endpoint has accepted a form, Try uses only that form, because each
// refusal may bring the client nearer to being locked out.
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

// AddTo adds the id and the secret to values if w is the form, and does nothing otherwise.
func (w Way) AddTo(values url.Values, id, secret string) {
	if w != form {
		return
	}
	values.Set("client_id", id)
	if secret != "" {
		values.Set("client_secret", secret)
	}
}

// SetHeader sets the id and the secret in the header of r if w uses Basic, and does nothing
// otherwise.
func (w Way) SetHeader(r *http.Request, id, secret string) {
	switch w {
	case encoded:
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	case raw:
		r.SetBasicAuth(id, secret)
	}
}
