package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
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
	cfg  Config
	root string      // scheme, host and the path before basePath that a reverse proxy adds
	auth *authorizer // shared with the Clients that Follow returns
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
	return &Client{cfg: cfg, root: root, auth: newAuthorizer(cfg)}, nil
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

// parseRoot returns the part of a URL before basePath.
func parseRoot(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("parse URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%q is not an http or https URL", u.Redacted())
	}
	if u.User != nil {
		return "", errors.New("the URL must not contain credentials, because they would be logged")
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
