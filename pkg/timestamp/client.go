package timestamp

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Config is what New needs.
type Config struct {
	Authorities []Authority  // in the order in which they are asked; at least one
	HTTP        *http.Client // nil = http.DefaultClient; an outbound proxy is set there. Redirects are not followed
	// Timeout bounds one request to one authority; default 10 s, since tokens come in well under one
	// and a document waits.
	Timeout time.Duration
	// MaxSkew is how far the time in a token may be from ours, its accuracy included; default 5 min.
	MaxSkew time.Duration
	// Trusted are the certificates that a token's certificate must lead to, roots or issuers below
	// them; see ParseTrusted. Empty = any, since the validators of the document decide in the end.
	Trusted []*x509.Certificate
	// Issuers returns further certificates that complete the chain of an authority that does not send
	// its issuers, but are not trusted for it; nil = none. It is called for each token.
	Issuers func() []*x509.Certificate
	// BudgetFile keeps the requests of authorities with a budget over restarts; empty = they are
	// forgotten. Its folder must exist.
	BudgetFile string
	Log        logr.Logger
}

// Authority is one timestamp authority.
type Authority struct {
	Name           string                // in logs and in reasons for clients; empty = the URL's host
	URL            string                // http or https, without credentials in it
	User, Password string                // HTTP Basic; empty = none
	Policy         asn1.ObjectIdentifier // asked for, and then wanted in the token; nil = the authority's own
	Budget         Budget
}

// Budget is how many requests an authority takes in any window of that length. Requests 0 = any
// number. It is kept by each instance for itself: with several, divide.
type Budget struct {
	Requests int
	Window   time.Duration
}

// Client asks timestamp authorities. It is safe for concurrent use.
type Client struct {
	cfg         Config
	roots       *x509.CertPool // of cfg.Trusted; nil = any
	http        *http.Client
	authorities []*authority
	budgets     *budgetFile
	probing     chan struct{} // holds one value while Ready asks
}

// maxBudget bounds what is remembered of an authority.
const maxBudget = 100_000

// New returns a client. It reads the budget file; a damaged one is an error.
func New(cfg Config) (*Client, error) {
	if len(cfg.Authorities) == 0 {
		return nil, errors.New("make timestamp client: no authority")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxSkew <= 0 {
		cfg.MaxSkew = 5 * time.Minute
	}
	if cfg.HTTP == nil {
		cfg.HTTP = http.DefaultClient
	}
	client := *cfg.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &Client{
		cfg:     cfg,
		roots:   pool(cfg.Trusted),
		http:    &client,
		budgets: &budgetFile{path: cfg.BudgetFile},
		probing: make(chan struct{}, 1),
	}
	past, err := c.budgets.load()
	if err != nil {
		return nil, fmt.Errorf("make timestamp client: %w", err)
	}
	var bad []error
	for i, a := range cfg.Authorities {
		if err := a.validate(); err != nil {
			bad = append(bad, fmt.Errorf("timestamp authority %d: %w", i+1, err))
			continue
		}
		c.authorities = append(c.authorities, newAuthority(a, past[a.URL]))
	}
	return c, errors.Join(bad...)
}

func (a Authority) validate() error {
	u, err := url.Parse(a.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL is not one of http or https")
	case u.User != nil:
		return errors.New("the URL holds credentials: they have fields of their own, which are not logged")
	case a.Budget.Requests < 0 || a.Budget.Requests > maxBudget:
		return fmt.Errorf("a budget of %d requests is outside 0 to %d", a.Budget.Requests, maxBudget)
	case a.Budget.Requests > 0 && a.Budget.Window <= 0:
		return errors.New("the budget has no window")
	}
	return nil
}

// Timestamp implements signing.Timestamper: the first good token of the authorities in their order.
// Those that failed lately or have no budget left are passed over. The error is KindTimestamp. Its
// detail names each authority with the reason in words; Retry and RetryAfter say when one may be
// asked again.
func (c *Client) Timestamp(ctx context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
	q, err := newQuery(digest, hash)
	if err != nil {
		return nil, signing.Errorf(signing.KindTimestamp, "the digest cannot be timestamped").Because(err)
	}
	var failures []error
	var reasons []string
	var again time.Time // the earliest moment at which one may be asked again; zero = never with this request
	for _, a := range c.authorities {
		token, next, err := c.ask(ctx, a, q)
		if err == nil {
			return token, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", a.name, err))
		reasons = append(reasons, a.name+": "+reason(err))
		if !next.IsZero() && (again.IsZero() || next.Before(again)) {
			again = next
		}
		if ctx.Err() != nil {
			again = time.Now()
			break
		}
	}
	e := signing.Errorf(
		signing.KindTimestamp,
		"no timestamp authority gave a usable token: %s",
		printable.Text(strings.Join(reasons, "; "), maxReasons),
	)
	e = e.Because(errors.Join(failures...))
	if !again.IsZero() {
		e = e.Retryable(max(0, time.Until(again)))
	}
	return nil, e
}

// ask asks one authority, if it may be asked. With an error next is when it is worth asking again;
// zero = not at all.
func (c *Client) ask(ctx context.Context, a *authority, q *query) (token []byte, next time.Time, err error) {
	if err := a.enter(ctx); err != nil {
		return nil, time.Now(), err
	}
	defer a.leave()
	if next, err := a.admit(time.Now()); err != nil {
		return nil, next, err
	}
	if a.Budget.Requests > 0 {
		// Stored before it is sent: after a crash a request counts too often rather than not at all.
		if err := c.budgets.save(c.authorities); err != nil {
			c.cfg.Log.Error(err, "store timestamp budget", "authority", a.name)
		}
	}
	token, err = c.request(ctx, a, q)
	if err == nil {
		a.succeeded()
		return token, time.Time{}, nil
	}
	if ctx.Err() != nil { // the caller gave up: that says nothing about the authority
		return nil, time.Now(), err
	}
	next = a.failed(err, time.Now())
	c.cfg.Log.Info(
		"timestamp authority failed",
		"authority",
		a.name,
		"reason",
		printable.Text(err.Error(), maxReason),
		"notBefore",
		next,
	)
	if refusal := (*refusedError)(nil); errors.As(err, &refusal) && refusal.permanent {
		return nil, time.Time{}, err
	}
	return nil, next, err
}

var _ signing.Timestamper = (*Client)(nil)
