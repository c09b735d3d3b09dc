package timestamp

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/weburl"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Config is the configuration of a Client.
type Config struct {
	Authorities []Authority  // in the order in which they are asked; at least one
	HTTP        *http.Client // nil = http.DefaultClient; sets the outbound proxy. Redirects are not followed
	// Timeout bounds one request to one authority; default 10 s, because tokens usually arrive in less
	// than one second and a document is waiting.
	Timeout time.Duration
	// MaxSkew is the largest accepted difference between the time in a token and ours. It includes the
	// accuracy of the token; default 5 min.
	MaxSkew time.Duration
	// Trusted are roots, or issuers below them, to which the certificate of a token must lead: see
	// ParseTrusted. Empty accepts any certificate, because the validators of the document decide in
	// the end.
	Trusted []*x509.Certificate
	// Issuers returns further certificates, which complete the chain of an authority that does not
	// send its issuers; it may be nil. They are not trusted by that. It is called for each token.
	Issuers func() []*x509.Certificate
	// BudgetFile stores the requests to authorities with a budget, so that they still count after a
	// restart. Empty means that a restart forgets them. The folder of the file must exist.
	BudgetFile string
	Log        logr.Logger
}

// Authority is one timestamp authority.
type Authority struct {
	Name           string                // in logs and in reasons for clients; empty = the host of the URL
	URL            string                // http or https, without credentials in it
	User, Password string                // HTTP Basic; empty = none
	Policy         asn1.ObjectIdentifier // requested, and required in the token; nil = the authority's default
	Budget         Budget
}

// Budget is how many requests an authority accepts in any window of the given length. Requests 0 =
// any number. Each instance counts only its own requests, so with several instances divide the
// number.
type Budget struct {
	Requests int           `yaml:"requests"`
	Window   time.Duration `yaml:"window"`
}

// Client asks timestamp authorities for tokens. It is safe for concurrent use.
type Client struct {
	cfg         Config
	roots       *x509.CertPool // of cfg.Trusted; nil = any
	http        *http.Client
	authorities []*authority
	budgets     *budgetFile
	probing     chan struct{} // holds one value while Ready sends a probe
}

// maxBudget is the largest budget, because the times of its requests are kept in memory.
const maxBudget = 100_000

// New returns a Client. It reads the budget file. A damaged file is an error.
func New(cfg Config) (*Client, error) {
	if len(cfg.Authorities) == 0 {
		return nil, errors.New("make timestamp client: no authority")
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.MaxSkew = cmp.Or(cfg.MaxSkew, 5*time.Minute)
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
	if err := weburl.Check(a.URL); err != nil {
		return err
	}
	switch {
	case a.Budget.Requests < 0 || a.Budget.Requests > maxBudget:
		return fmt.Errorf("a budget of %d requests is outside 0 to %d", a.Budget.Requests, maxBudget)
	case a.Budget.Requests > 0 && a.Budget.Window <= 0:
		return errors.New("the budget has no window")
	}
	return nil
}

// Timestamp implements signing.Timestamper. It asks the authorities in their order and returns the
// first valid token. It skips authorities that have failed recently or have no budget left. The
// error is KindTimestamp. Its detail names each authority with the reason in words. Retry and
// RetryAfter say when an authority may be asked again.
func (c *Client) Timestamp(ctx context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
	q, err := newQuery(digest, hash)
	if err != nil {
		return nil, signing.Errorf(signing.KindTimestamp, "the digest cannot be timestamped").Because(err)
	}
	var failures []error
	var reasons []string
	var again time.Time // the earliest time for a retry; zero = never retry this request
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
	e := signing.Errorf(signing.KindTimestamp, "no timestamp authority gave a usable token: %s",
		printable.Text(strings.Join(reasons, "; "), maxReasons))
	e = e.Because(errors.Join(failures...))
	if !again.IsZero() {
		e = e.Retryable(max(0, time.Until(again)))
	}
	return nil, e
}

// ask asks one authority, if that is allowed now. If it returns an error, next is the time of the
// earliest useful retry; zero means never.
func (c *Client) ask(ctx context.Context, a *authority, q *query) (token []byte, next time.Time, err error) {
	if err := a.enter(ctx); err != nil {
		return nil, time.Now(), err
	}
	defer a.leave()
	if next, err := a.admit(time.Now()); err != nil {
		return nil, next, err
	}
	if a.Budget.Requests > 0 {
		// Store the request before it is sent. After a crash it is better to count one request too many
		// than one too few.
		if err := c.budgets.save(c.authorities); err != nil {
			c.cfg.Log.Error(err, "could not store the timestamp budget", "authority", a.name)
		}
	}
	token, err = c.request(ctx, a, q)
	if err == nil {
		a.succeeded()
		return token, time.Time{}, nil
	}
	if ctx.Err() != nil { // the caller gave up: this says nothing about the authority
		return nil, time.Now(), err
	}
	next = a.failed(err, time.Now())
	c.cfg.Log.Info("timestamp authority failed",
		"authority", a.name, "reason", printable.Text(err.Error(), maxReason), "notBefore", next)
	if refusal := (*refusedError)(nil); errors.As(err, &refusal) && refusal.permanent {
		return nil, time.Time{}, err
	}
	return nil, next, err
}

var _ signing.Timestamper = (*Client)(nil)
