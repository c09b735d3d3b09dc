package api

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Claims of our tokens. Both ends are this proxy: the values only keep other uses of the same key apart.
const (
	tokenIssuer   = "signstash-proxy"
	tokenAudience = "signstash-proxy/api"
	tokenScope    = "read write"
)

// maxTokenBytes bounds a token before it is parsed; ours have about 400 bytes, a remote one with many claims some thousand.
const maxTokenBytes = 16 << 10

// maxFormBytes bounds the body of a token request.
const maxFormBytes = 64 << 10

// tokens issues and verifies JSON Web Tokens (RFC 7519) signed with HMAC-SHA256.
type tokens struct {
	lifetime time.Duration
	parser   *jwt.Parser

	mu   sync.Mutex
	keys []tokenKey // the one that signs first, then those before it whose tokens have not expired
}

// tokenKey is a key that signs or has signed.
type tokenKey struct {
	key   []byte
	id    string    // of the key's digest: which key made a token is no secret, the key is
	until time.Time // when the last of its tokens has expired; zero while it signs
}

func newTokenKey(key []byte) tokenKey {
	digest := sha256.Sum256(append([]byte("signstash token key id\x00"), key...))
	return tokenKey{key: bytes.Clone(key), id: hex.EncodeToString(digest[:8])}
}

// leeway is how far clocks of instances may differ.
const leeway = 30 * time.Second

// set makes key the one that signs. Another instance may go on signing with the one before for as long as a mounted file may be behind.
func (t *tokens) set(key []byte, now time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := newTokenKey(key)
	if t.keys[0].id == next.id {
		return false
	}
	keys := []tokenKey{next}
	for _, k := range t.keys {
		if k.until.IsZero() {
			k.until = now.Add(t.lifetime + mountDelay + leeway)
		}
		if k.id != next.id && now.Before(k.until) {
			keys = append(keys, k)
		}
	}
	t.keys = keys
	return true
}

// mountDelay is how long a kubelet may take to bring a mounted file up to date.
const mountDelay = 2 * time.Minute

// signing returns the key that signs.
func (t *tokens) signing() tokenKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keys[0]
}

// find returns the key with that id, unless none of its tokens can be valid any more.
func (t *tokens) find(id any, now time.Time) ([]byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.keys {
		if k.id == id && (k.until.IsZero() || now.Before(k.until)) {
			return k.key, true
		}
	}
	return nil, false
}

// SetTokenKey makes key the one that signs tokens, if it is another; tokens of the one before stay valid until they expire. A key that
// is too short is refused by Config and must not come here.
func (a *API) SetTokenKey(key []byte) (changed bool) { return a.tokens.set(key, time.Now()) }

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
}

func newTokens(c Config) *tokens {
	return &tokens{
		keys: []tokenKey{newTokenKey(c.TokenKey)}, lifetime: c.TokenLifetime,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithIssuer(tokenIssuer), jwt.WithAudience(tokenAudience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			jwt.WithLeeway(leeway),
		),
	}
}

// issue returns a token for a client service and its unique id.
func (t *tokens) issue(clientService string, now time.Time) (token, id string, err error) {
	id = rand.Text()
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: clientService, ID: id,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.lifetime)),
		},
		Scope: tokenScope,
	})
	key := t.signing()
	unsigned.Header["kid"] = key.id
	token, err = unsigned.SignedString(key.key)
	return token, id, err
}

// errForeign marks a token that names another key than ours.
var errForeign = errors.New("token names another key")

// verify returns the client service that a token was issued to. ours is false for a token that does not name our key: somebody
// else may know it.
func (t *tokens) verify(token string) (clientService string, ours bool, err error) {
	bad := unauthenticated("the token is not one of this service, or is damaged")
	if token == "" || len(token) > maxTokenBytes {
		return "", true, bad
	}
	var c claims
	_, err = t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) {
		if key, ok := t.find(parsed.Header["kid"], time.Now()); ok {
			return key, nil
		}
		return nil, errForeign
	})
	switch {
	case err == nil:
		return c.Subject, true, nil
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "", true, unauthenticated("the token has expired")
	case errors.Is(err, errForeign), errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return "", false, bad
	}
	return "", true, bad
}

// issueToken is the token endpoint: RFC 6749 4.4, the client authenticated by HTTP Basic. grant_type may stand in the form or in
// the query.
func issueToken(x *exchange) error {
	scheme, rest, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return unauthenticated("HTTP Basic with client service id and secret is missing")
	}
	client, err := x.byBasic(x.api.cfg.ClientServices(), rest, true)
	if err != nil {
		return err
	}
	x.client = client
	if err := x.api.quotas.request(client.ID, x.began); err != nil {
		return err
	}
	if err := x.checkGrant(); err != nil {
		return err
	}
	token, id, err := x.api.tokens.issue(client.ID, time.Now())
	if err != nil {
		return err
	}
	x.api.metrics.tokens.Inc()
	x.Header().Set("Cache-Control", "no-store") // RFC 6749 5.1
	x.Header().Set("Pragma", "no-cache")
	return x.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		w.Object(func() {
			w.Member("access_token", token)
			w.Member("token_type", "bearer")
			w.Number("expires_in", int64(x.api.tokens.lifetime/time.Second))
			w.Member("scope", tokenScope)
			w.Member("jti", id)
		})
		return nil
	})
}

// checkGrant accepts client_credentials alone.
func (x *exchange) checkGrant() error {
	grants := x.r.URL.Query()["grant_type"]
	data, err := io.ReadAll(io.LimitReader(x.body, maxFormBytes+1))
	if err != nil {
		return err
	}
	if len(data) > maxFormBytes {
		return signing.Errorf(signing.KindTooLarge, "the form is larger than %d bytes", maxFormBytes)
	}
	// A type is asked for only where there is something to read: clients send none, or a wrong one, with an empty body.
	if media, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type")); len(data) > 0 && media == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(data))
		if err != nil {
			return signing.Errorf(signing.KindMalformed, "the form is not form-encoded")
		}
		grants = append(grants, form["grant_type"]...)
	}
	if len(grants) == 0 {
		return signing.Errorf(signing.KindMissing, "grant_type is missing")
	}
	for _, g := range grants {
		if g != "client_credentials" {
			return signing.Errorf(kindGrant, "grant_type must be client_credentials")
		}
	}
	return nil
}
