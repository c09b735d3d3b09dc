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

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// basePath is where the proxy's REST API lies under its root.
const basePath = "/signstash/einvoice-integration-client-ws/"

// Config says where the proxy is and which client service calls it.
type Config struct {
	// URL is the root of the proxy, such as https://sign.example.org:8080, or the base path of its
	// API.
	URL string

	// ClientID and Secret authenticate the client service, with a token from the proxy's token
	// endpoint, or with HTTP Basic if Basic is set. Token, if set, is a Bearer token from somewhere
	// else and is used instead of them.
	ClientID string
	Secret   string
	Basic    bool
	Token    string

	// HTTP makes the connections; nil is http.DefaultClient.
	HTTP *http.Client
	// FollowRedirects allows calls that only read to be redirected to another origin, with the
	// credentials. A proxy that redirects clients to the instance that holds an operation needs it.
	// Otherwise a redirect to another origin is an error that names the origin. A redirect from https
	// to http is always an error.
	FollowRedirects bool
	// MaxContent bounds the signed contents in one answer of Detail, in bytes; 0 means 16 GiB.
	MaxContent int64
	// Patience is how long a call is retried after 429, 503 or a lost connection; 0 means one minute.
	Patience time.Duration
	// Retrying, if set, is called after each failed try that is retried after wait. It may be called
	// concurrently.
	Retrying func(err error, wait time.Duration)
}

// Client calls one proxy. It is safe for concurrent use.
type Client struct {
	cfg    Config
	root   string // scheme, host and the path before basePath that a reverse proxy adds
	tokens *tokens
}

// New returns a Client of the proxy at cfg.URL. It opens no connection. It returns an error if the
// URL is not valid.
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

// defaultMaxContent is far above the largest request that a proxy accepts by default, and below the
// size of most disks.
const defaultMaxContent = 16 << 30

// maxRedirects bounds a chain of redirects. The instances of a proxy need one.
const maxRedirects = 3

// ErrRedirected is the error of a call that was redirected to an address that is not allowed.
var ErrRedirected = errors.New("the proxy redirects to another address")

// checkRedirect is the CheckRedirect of an http.Client. It makes sure that credentials and
// documents go only to the origin that the caller named, unless FollowRedirects allows more.
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
		return "", fmt.Errorf("%q is not an http or https URL", u.Redacted())
	}
	if u.User != nil {
		return "", errors.New("a URL must not hold credentials, because they would be logged")
	}
	path, _, _ := strings.Cut(u.Path+"/", basePath)
	return u.Scheme + "://" + u.Host + strings.TrimRight(path, "/"), nil
}

// followPatience bounds the retries at another instance. It is short because the address that the
// caller gave answers for all instances.
const followPatience = 5 * time.Second

// Follow returns a Client of another instance of the same proxy, at the host and port of an
// asynchronous answer. Scheme and credentials are the same, but a path before basePath is dropped.
// The Client retries only for a short time, because c can be asked for the operations of the other
// instance too.
//
// Follow returns c if host is empty.
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
