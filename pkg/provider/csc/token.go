package csc

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tokenPlace is where access tokens come from. An empty url means that no token is needed.
type tokenPlace struct {
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
	// At most this many token calls are sent in a second, whatever happens.
	tokenCallsPerSecond = 3
	// A refusal of our id and secret is returned to all callers for this long, unless these change.
	refusalKept = time.Second
	// userRefusalKept is the same for a user's password. It is longer, because services lock users out
	// after a few wrong ones.
	userRefusalKept = 5 * time.Minute
	// renewPause is the time between two attempts to renew a token that is still valid.
	renewPause   = 30 * time.Second
	tokenTimeout = 30 * time.Second
)

// tokens keeps one access token and renews it. It is safe for concurrent use and makes one token
// call at a time.
type tokens struct {
	http     *http.Client
	set      Settings
	identity func() (id string, secrets []string, err error)
	client   clientauth.Client
	pace     *pace.Pace

	busy chan struct{} // holds one value while a call fetches a token

	mu      sync.Mutex
	current string
	renew   time.Time // from then on a call fetches the next token
	expires time.Time

	refusal    *failure // the answer to refusedID
	refusedID  [sha256.Size]byte
	refusedTil time.Time
	stale      [sha256.Size]byte // of the secret that was refused last: the others are tried first
}

func newTokens(client *http.Client, set Settings, identity func() (string, []string, error)) *tokens {
	return &tokens{
		http: client, set: set, identity: identity,
		client: clientauth.Client{Method: clientauth.Method(set.ClientAuth)},
		pace:   pace.New(tokenCallsPerSecond, time.Second), busy: make(chan struct{}, 1),
	}
}

// get returns a token that is valid as far as we know.
func (t *tokens) get(ctx context.Context, from tokenPlace) (string, *failure) {
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
			return "", fail(
				signing.KindProvider,
				"the signing service gave no access token in time",
			).Because(
				ctx.Err(),
			).Retryable(
				0,
			)
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
func (t *tokens) fetch(ctx context.Context, from tokenPlace) (string, *failure) {
	answer, f := t.ask(ctx, from, url.Values{})
	if f != nil {
		return "", f
	}
	t.keep(answer)
	return answer.AccessToken, nil
}

// refused returns the cached refusal of the same id and secret, or nil.
func (t *tokens) refused(identity [sha256.Size]byte) *failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refusal == nil || t.refusedID != identity || !time.Now().Before(t.refusedTil) {
		return nil
	}
	e := *t.refusal.Error
	return &failure{Error: &e}
}

func (t *tokens) keepRefusal(identity [sha256.Size]byte, f *failure, keep time.Duration) {
	e := *f.Error
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusal, t.refusedID, t.refusedTil = &failure{Error: &e}, identity, time.Now().Add(keep)
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
	t.refusal = nil
}

// inTurn moves the secret that was refused last behind the others, because each refusal may bring
// us nearer to being locked out.
func (t *tokens) inTurn(secrets []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	isStale := func(s string) int {
		if sha256.Sum256([]byte(s)) == t.stale {
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(secrets), func(a, b string) int { return isStale(a) - isStale(b) })
}

func (t *tokens) noteStale(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stale = sha256.Sum256([]byte(secret))
}

// credentialToken gets a token with scope credential, which replaces the SAD of an oauth2code
// credential (CSC 8.4.2 and 11.10). It is valid for one use and is not kept.
func (t *tokens) credentialToken(ctx context.Context, from tokenPlace, form url.Values) (string, *failure) {
	form.Set("scope", "credential")
	a, f := t.ask(ctx, from, form)
	return a.AccessToken, f
}

// request makes one call. authenticate sets the header that authenticates us.
func (t *tokens) request(
	ctx context.Context, address, contentType, body string, authenticate func(*http.Request),
) (a tokenAnswer, f *failure) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return a, fail(signing.KindConfiguration, "tokenURL: cannot be used").Because(err)
	}
	authenticate(r)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	// Use no kept connection. Otherwise http.Transport may send the request again over a new
	// connection, and pace would not count that call.
	r.Close = true
	answer, err := outbound.Exchange(t.http, r, maxSmall)
	if err != nil {
		return a, lost(err, false)
	}
	if answer.Status >= 300 {
		return a, tokenRefusal(answer)
	}
	if err := json.Unmarshal(answer.Body, &a); err != nil {
		// The cause might quote the token.
		return a, unreadable(errors.New("token answer is not the JSON it should be"), false)
	}
	if a.AccessToken == "" || strings.ContainsAny(a.AccessToken, "\r\n") {
		return a, unreadable(errors.New("token answer has no usable access_token"), false)
	}
	return a, nil
}

// tokenRefusal is like refusal, but 401, 403 and codes that name the client mean that our id or
// secret is wrong.
func tokenRefusal(a *outbound.Answer) *failure {
	f := refusal(a, false)
	f.Hint = nothing
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said)
	text := strings.ToLower(said.Description)
	if said.Code == "invalid_grant" && !f.Retry {
		f.Kind = signing.KindProviderCredentials
		f.Detail = "the signing service does not accept our username or password"
		return f.Can(wrongUser)
	}
	ours := strings.Contains(text, "client") || strings.Contains(text, "credentials")
	if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden ||
		ours && f.Kind == signing.KindProvider && !f.Retry {
		f.Kind, f.Detail = signing.KindProviderCredentials, "the signing service does not accept our client id or secret"
	}
	return f
}
