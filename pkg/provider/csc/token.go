package csc

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tokenSource is where access tokens come from. An empty url means that no token is needed.
type tokenSource struct {
	url   string
	login bool // the CSC's auth/login instead of OAuth2
}

const (
	// defaultLifetime is the lifetime of a token whose answer names none (CSC 8.4.4).
	defaultLifetime = time.Hour
	// maxLifetime is the longest lifetime that we accept from an answer.
	maxLifetime = 24 * time.Hour
	// A token is renewed this long before it expires, or after four fifths of its lifetime if that is
	// later.
	renewBefore = 5 * time.Minute
	// renewPause is the time between two attempts to renew a token that is still valid.
	renewPause = 30 * time.Second
)

// tokens keeps one access token and renews it. It is safe for concurrent use and makes one token
// call at a time.
type tokens struct {
	endpoint *tokenEndpoint
	busy     chan struct{} // holds one value while a call fetches a token

	mu      sync.Mutex
	current string
	renew   time.Time // from then on a call fetches the next token
	expires time.Time
}

func newTokens(client *http.Client, set Settings, identity func() (string, []string, error)) *tokens {
	endpoint := &tokenEndpoint{
		http: client, set: set, identity: identity,
		client: clientauth.Client{Method: clientauth.Method(set.ClientAuth)},
		pace:   pace.New(tokenCallsPerSecond, time.Second),
	}
	return &tokens{endpoint: endpoint, busy: make(chan struct{}, 1)}
}

// get returns a token that is valid as far as we know.
func (t *tokens) get(ctx context.Context, from tokenSource) (string, *failure) {
	if from.url == "" {
		return "", nil
	}
	token, due := t.cached()
	if !due {
		return token, nil
	}
	if token != "" { // still valid: one caller renews it, the others do not wait
		select {
		case t.busy <- struct{}{}:
		default:
			return token, nil
		}
	} else {
		select {
		case t.busy <- struct{}{}:
		case <-ctx.Done():
			return "", fail(signing.KindProvider,
				"the signing service did not return an access token in time").Because(ctx.Err()).Retryable(0)
		}
	}
	defer func() { <-t.busy }()
	if token, due := t.cached(); !due { // another call has renewed it
		return token, nil
	}
	next, f := t.fetch(ctx, from)
	if f != nil && t.postpone() {
		return token, nil // the token may stay valid until the service works again
	}
	return next, f
}

// postpone sets the time of the next attempt after a renewal failed. It returns false if there is
// no valid token to use meanwhile.
func (t *tokens) postpone() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.expires)
	if t.current == "" || left <= 0 {
		return false
	}
	t.renew = time.Now().Add(min(left/2, renewPause))
	return true
}

// cached returns the token if it is still valid, and whether a new one is due.
func (t *tokens) cached() (token string, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if t.current == "" || !now.Before(t.expires) {
		return "", true
	}
	return t.current, !now.Before(t.renew)
}

// drop removes a token that was refused, unless it has been replaced already.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == token {
		t.current = ""
	}
}

// fetch gets a token. The caller must hold busy.
func (t *tokens) fetch(ctx context.Context, from tokenSource) (string, *failure) {
	answer, f := t.endpoint.ask(ctx, from, url.Values{})
	if f != nil {
		return "", f
	}
	t.keep(answer)
	t.endpoint.refused.forget()
	return answer.AccessToken, nil
}

func (t *tokens) keep(a tokenAnswer) {
	lifetime := defaultLifetime
	if a.ExpiresIn != nil && *a.ExpiresIn > 0 {
		lifetime = min(time.Duration(*a.ExpiresIn)*time.Second, maxLifetime)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.current, t.expires = a.AccessToken, now.Add(lifetime)
	t.renew = t.expires.Add(-min(renewBefore, lifetime/5))
}
