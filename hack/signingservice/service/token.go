package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const tokenKeyID = "simulated-1"

// accessToken describes what a token gives access to.
type accessToken struct {
	client  string
	scope   string
	expires time.Time
	sad     *sad // with scope credential: what it authorises
}

// tokens issues access tokens and checks them. It is safe for concurrent use.
type tokens struct {
	opts *Options
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	issued map[string]accessToken
}

func newTokens(opts *Options) (*tokens, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	return &tokens{opts: opts, key: key, issued: make(map[string]accessToken)}, nil
}

// issue makes and stores a token, and returns it with its id.
func (t *tokens) issue(content accessToken) (token, id string) {
	token, id = t.mint(content)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued[token] = content
	return token, id
}

// find returns the content of a token that is valid.
func (t *tokens) find(token string) (accessToken, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	content, ok := t.issued[token]
	return content, ok && !time.Now().After(content.expires)
}

// revoke invalidates all tokens that were issued so far.
func (t *tokens) revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.issued)
}

// bearer returns the token of a request, or an answer that refuses it.
func (t *tokens) bearer(x *exchange) (accessToken, *answer) {
	scheme, token, _ := strings.Cut(x.Header.Get("Authorization"), " ")
	refusal := &answer{
		status: http.StatusUnauthorized,
		header: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`},
		body:   object{{"error", "invalid_token"}, {"error_description", "The access token is not valid"}},
	}
	if t.opts.OpenToAll && scheme == "" {
		return accessToken{scope: "read write"}, nil
	}
	if !strings.EqualFold(scheme, "bearer") {
		return accessToken{}, refusal
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.rude == ExpiredToken {
		delete(t.issued, token)
	}
	content, ok := t.issued[token]
	if !ok || time.Now().After(content.expires) {
		delete(t.issued, token)
		return accessToken{}, refusal
	}
	return content, nil
}

// mint makes a JWT (RFC 7519) signed with ES256.
func (t *tokens) mint(content accessToken) (token, id string) {
	id = random(12)
	header := encode64(object{{"kid", tokenKeyID}, {"typ", "JWT"}, {"alg", "ES256"}})
	claims := encode64(object{
		{"jti", id},
		{"scope", strings.Fields(content.scope)},
		{"client_id", content.client},
		{"aud", []string{"simulated-remote-service"}},
		{"iat", time.Now().Unix()},
		{"exp", content.expires.Unix()},
		{"iss", "https://simulated.invalid/"},
	})
	digest := sha256.Sum256([]byte(header + "." + claims))
	r, v, err := ecdsa.Sign(rand.Reader, t.key, digest[:])
	if err != nil {
		panic(err) // a P-256 key signs any digest
	}
	value := make([]byte, 64)
	r.FillBytes(value[:32])
	v.FillBytes(value[32:])
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(value), id
}

func encode64(o object) string {
	text, _ := o.MarshalJSON()
	return base64.RawURLEncoding.EncodeToString(text)
}
