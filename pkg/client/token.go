package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tokenPath is the proxy's token endpoint, at its root.
const tokenPath = "/oauth2/authorization-server/oauth/token"

// token is a Bearer token and the time to request the next one.
type token struct {
	value string
	renew time.Time
}

// authorizer adds credentials to requests. It keeps the token of each instance. It is safe for
// concurrent use.
type authorizer struct {
	cfg Config

	mu     sync.Mutex
	tokens map[string]token // by root of the instance
}

func newAuthorizer(cfg Config) *authorizer {
	return &authorizer{cfg: cfg, tokens: make(map[string]token)}
}

// authorize sets the Authorization header of a request to the instance at root.
func (a *authorizer) authorize(ctx context.Context, req *http.Request, root string) error {
	switch {
	case a.cfg.Token != "":
		req.Header.Set("Authorization", "Bearer "+a.cfg.Token)
		return nil
	case a.cfg.Basic:
		req.SetBasicAuth(a.cfg.ClientID, a.cfg.Secret)
		return nil
	}
	value, err := a.token(ctx, root)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+value)
	return nil
}

// token returns the token for the instance at root. It requests a new token if necessary.
func (a *authorizer) token(ctx context.Context, root string) (string, error) {
	a.mu.Lock()
	t, ok := a.tokens[root]
	a.mu.Unlock()
	if ok && time.Now().Before(t.renew) {
		return t.value, nil
	}
	t, err := a.fetch(ctx, root)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[root] = t
	return t.value, nil
}

// drop forgets the token for the instance at root, so that the next call requests a new one. It
// returns false if calls carry no token from the token endpoint.
func (a *authorizer) drop(root string) bool {
	if a.cfg.Token != "" || a.cfg.Basic {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, root)
	return true
}

// fetch requests a token from the token endpoint (RFC 6749 4.4).
func (a *authorizer) fetch(ctx context.Context, root string) (token, error) {
	body := strings.NewReader("grant_type=client_credentials")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, root+tokenPath, body)
	if err != nil {
		return token{}, permanentError{fmt.Errorf("make token request: %w", err)}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(a.cfg.ClientID, a.cfg.Secret)
	requested := time.Now()
	resp, err := a.cfg.HTTP.Do(req)
	if err != nil {
		return token{}, fmt.Errorf("request token: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// The credentials themselves are refused, so another try would not help.
		e := readError(resp)
		if e.retryable() {
			return token{}, e
		}
		return token{}, permanentError{fmt.Errorf("request token: %s", e)}
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxErrorBody)).Decode(&answer); err != nil {
		return token{}, fmt.Errorf("read token: %w", err)
	}
	if answer.AccessToken == "" {
		return token{}, permanentError{errors.New("the answer of the token endpoint contains no access_token")}
	}
	// The token is renewed before it expires, so that it stays valid during a long upload.
	life := time.Duration(max(answer.ExpiresIn, 0)) * time.Second
	return token{value: answer.AccessToken, renew: requested.Add(life * 4 / 5)}, nil
}
