package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// tokenPath is the proxy's token endpoint, at its root.
const tokenPath = "/oauth2/authorization-server/oauth/token"

// token is a Bearer token and the time to request the next one.
type token struct {
	value string
	renew time.Time
}

// byToken reports whether calls carry a token from the proxy's token endpoint.
func (c *Client) byToken() bool { return c.cfg.Token == "" && !c.cfg.Basic }

// authorize sets the Authorization header.
func (c *Client) authorize(ctx context.Context, req *http.Request) error {
	switch {
	case c.cfg.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
		return nil
	case c.cfg.Basic:
		req.SetBasicAuth(c.cfg.ClientID, c.cfg.Secret)
		return nil
	}
	value, ok := c.tokens.get(c.root)
	if !ok {
		tok, err := c.fetchToken(ctx)
		if err != nil {
			return err
		}
		c.tokens.put(c.root, tok)
		value = tok.value
	}
	req.Header.Set("Authorization", "Bearer "+value)
	return nil
}

// fetchToken requests a token from the token endpoint (RFC 6749 4.4).
func (c *Client) fetchToken(ctx context.Context) (token, error) {
	body := strings.NewReader("grant_type=client_credentials")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.root+tokenPath, body)
	if err != nil {
		return token{}, permanentError{fmt.Errorf("make token request: %w", err)}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.cfg.ClientID, c.cfg.Secret)
	asked := time.Now()
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return token{}, fmt.Errorf("ask for a token: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// The credentials themselves are refused, so another try would not help.
		e := readError(resp)
		if e.retryable() {
			return token{}, e
		}
		return token{}, permanentError{fmt.Errorf("ask for a token: %s", e)}
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxErrorBody)).Decode(&answer); err != nil {
		return token{}, fmt.Errorf("read token: %w", err)
	}
	if answer.AccessToken == "" {
		return token{}, permanentError{errors.New("the token endpoint gave no access_token")}
	}
	// The token is renewed before it expires, so that it stays valid during a long upload.
	life := time.Duration(max(answer.ExpiresIn, 0)) * time.Second
	return token{value: answer.AccessToken, renew: asked.Add(life * 4 / 5)}, nil
}
