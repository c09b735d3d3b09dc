package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// basePath is where the proxy's REST API lies under its root.
const basePath = "/signstash/einvoice-integration-client-ws/"

// Config says where the proxy is and who asks.
type Config struct {
	// URL is the proxy's root, as https://sign.example.org:8080, or the base path of its API.
	URL string

	// ClientID and Secret authenticate the client service: with a token from the proxy's token
	// endpoint, or with HTTP Basic where Basic is set. Token, if set, is a Bearer token made elsewhere
	// and takes their place.
	ClientID string
	Secret   string
	Basic    bool
	Token    string

	// HTTP makes the connections; nil is http.DefaultClient.
	HTTP *http.Client
	// FollowRedirects lets calls that only read be redirected to another origin, with the credentials:
	// for a proxy that redirects clients to the instance that holds an operation. Otherwise a redirect
	// to another origin is an error that names it. Nothing is ever redirected from https to http.
	FollowRedirects bool
	// MaxContent bounds in bytes the signed contents that one answer of Detail may bring; 0 is 16 GiB.
	MaxContent int64
	// Patience is how long a call is tried again after 429, 503 or a lost connection; 0 is one minute.
	Patience time.Duration
	// Retrying, if set, is told of each failed try that will be followed by another after wait. It may
	// be called concurrently.
	Retrying func(err error, wait time.Duration)
}

// Client calls one proxy. It is safe for concurrent use.
type Client struct {
	cfg    Config
	root   string // scheme, host and what a reverse proxy puts before basePath
	tokens *tokens
}

// New returns a Client of the proxy at cfg.URL. It opens no connection.
func New(cfg Config) (*Client, error) {
	root, err := parseRoot(cfg.URL)
	if err != nil {
		return nil, err
	}
	guarded := *cmp.Or(cfg.HTTP, http.DefaultClient)
	guarded.CheckRedirect = cfg.checkRedirect
	cfg.HTTP = &guarded
	cfg.Patience = cmp.Or(cfg.Patience, time.Minute)
	cfg.MaxContent = cmp.Or(cfg.MaxContent, defaultMaxContent)
	return &Client{cfg: cfg, root: root, tokens: &tokens{byRoot: map[string]token{}}}, nil
}

// defaultMaxContent is far above the largest request that a proxy accepts by default, and below
// most disks.
const defaultMaxContent = 16 << 30

// maxRedirects bounds a chain of redirects: the instances of a proxy need one.
const maxRedirects = 3

// ErrRedirected is a call that was redirected to where it must not go.
var ErrRedirected = errors.New("the proxy redirects to another address")

// checkRedirect is the CheckRedirect of an http.Client. Credentials and documents go to the origin
// that the caller named.
func (c *Config) checkRedirect(r *http.Request, via []*http.Request) error {
	from := via[0]
	if len(via) > maxRedirects {
		return permanentError{fmt.Errorf("%w: more than %d times", ErrRedirected, maxRedirects)}
	}
	if r.URL.Scheme == from.URL.Scheme && r.URL.Host == from.URL.Host {
		return nil
	}
	downgrade := from.URL.Scheme == "https" && r.URL.Scheme != "https"
	if !c.FollowRedirects || from.Method != http.MethodGet || downgrade || r.URL.User != nil {
		return permanentError{fmt.Errorf("%w, %s://%s", ErrRedirected, r.URL.Scheme, r.URL.Host)}
	}
	r.Header.Set("Authorization", from.Header.Get("Authorization")) // http.Client drops it for another host
	return nil
}

// parseRoot cuts a URL down to what comes before basePath.
func parseRoot(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("parse URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is no http or https URL", u.Redacted())
	}
	if u.User != nil {
		return "", errors.New("a URL that holds credentials is refused: they would reach logs")
	}
	path, _, _ := strings.Cut(u.Path+"/", basePath)
	return u.Scheme + "://" + u.Host + strings.TrimRight(path, "/"), nil
}

// followPatience is shorter than the patience with the address that the caller gave: that one
// serves for all instances.
const followPatience = 5 * time.Second

// Follow returns a Client of another instance of the same proxy, as an asynchronous answer names
// it. Scheme and credentials are the same; what a reverse proxy put before the path is not. It
// gives up soon: then c itself answers for the other instance.
//
// An empty host is no other instance: then it returns c.
func (c *Client) Follow(host string, port int) *Client {
	if host == "" {
		return c
	}
	scheme, _, _ := strings.Cut(c.root, "://")
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	other := *c
	other.cfg.Patience = min(c.cfg.Patience, followPatience)
	other.root = fmt.Sprintf("%s://%s:%d", scheme, host, port)
	return &other
}

// call is one call of the API.
type call struct {
	method string
	path   string // under basePath
	key    string // Idempotency-Key; empty = none
	body   func() (io.ReadCloser, int64, error)
	// read takes a successful answer. It is called again when the answer broke off and the call was
	// repeated.
	read func(io.Reader) error
}

// repeatable reports whether making the call twice is the same as making it once.
func (k *call) repeatable() bool { return k.method == http.MethodGet || k.key != "" }

// do makes a call, again and again while that is allowed and makes sense.
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
		if refused && e.HTTPStatus == http.StatusUnauthorized && c.byToken() && !renewed {
			c.tokens.drop(c.root)
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
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Waits between tries where the proxy does not say how long.
const (
	firstWait = 250 * time.Millisecond
	maxWait   = 10 * time.Second
)

// retry says whether err is worth another try, and after which wait. e is err as a refusal, nil if
// it is none.
func (k *call) retry(err error, e *Error, try int) (time.Duration, bool) {
	wait := min(firstWait<<min(try, 10), maxWait)
	wait += rand.N(wait / 4) // apart from others that were refused at the same moment
	if e != nil {
		if e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		// A refusal says that nothing was done: without a key the call may be repeated all the same.
		return wait, e.retryable()
	}
	if permanent := new(permanentError); errors.As(err, permanent) {
		return 0, false
	}
	return wait, k.repeatable()
}

// permanentError marks a fault on our own side, which another try does not mend.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// once makes a call.
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
	if resp.StatusCode/100 == 3 { // one that cannot be followed because a body cannot be sent again
		return permanentError{fmt.Errorf("%w (status %d)", ErrRedirected, resp.StatusCode)}
	}
	if resp.StatusCode/100 != 2 {
		return readError(resp)
	}
	return k.read(resp.Body)
}

// largeBody is the size in bytes from which the proxy is asked before the body is sent: a refusal
// then costs no upload.
const largeBody = 1 << 20

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, c.root+basePath+k.path, nil)
	if err != nil {
		return nil, permanentError{fmt.Errorf("make request: %w", err)}
	}
	req.Header.Set("Accept", "application/json")
	if err := c.authorize(ctx, req); err != nil {
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

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tokens holds the Bearer token of each instance.
type tokens struct {
	mu     sync.Mutex
	byRoot map[string]token
}

func (t *tokens) get(root string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tok, ok := t.byRoot[root]
	return tok.value, ok && time.Now().Before(tok.renew)
}

func (t *tokens) put(root string, tok token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byRoot[root] = tok
}

func (t *tokens) drop(root string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byRoot, root)
}
