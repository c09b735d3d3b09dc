package api

import (
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Claims of this proxy's tokens. Only this proxy reads them. The values keep these tokens apart
// from other uses of the same key.
const (
	tokenIssuer   = "signstash-proxy"
	tokenAudience = "signstash-proxy/api"
	tokenScope    = "read write"
)

// maxTokenBytes bounds a token before it is parsed. This proxy's tokens have about 400 bytes; a
// remote token with many claims has some thousand.
const maxTokenBytes = 16 << 10

// maxFormBytes bounds the body of a token request.
const maxFormBytes = 64 << 10

// tokens issues and verifies JSON Web Tokens (RFC 7519) signed with HMAC-SHA256.
type tokens struct {
	lifetime time.Duration
	parser   *jwt.Parser
	keys     *tokenKeys
}

// SetTokenKey makes key the one that signs tokens, and reports whether it differs from the current
// one. Tokens that the previous key has signed before now stay valid until they expire. The caller
// must not pass a key that is shorter than Config.TokenKey allows. Safe for concurrent use.
func (a *API) SetTokenKey(key []byte) (changed bool) { return a.tokens.keys.set(key, time.Now()) }

// claims are the claims of a token.
type claims struct {
	jwt.RegisteredClaims
	Scope string `json:"scope"`
	// Secret is the digest of the secret that the token was issued for; see tokenKey.secretDigest.
	// Releases before it was introduced issue tokens without it. Such tokens are accepted, so that
	// instances of both releases work side by side during an upgrade. The last of them expires one
	// lifetime after the last such instance has stopped.
	Secret string `json:"secret,omitempty"`

	// Forward makes the token a forward token: see forwardtoken.go. Nil = it was issued by the token
	// endpoint.
	Forward *forwardClaims `json:"forward,omitempty"`

	key tokenKey // key that has verified the token
}

func newTokens(c Config) *tokens {
	return &tokens{
		keys: newTokenKeys(c.TokenKey, c.TokenLifetime), lifetime: c.TokenLifetime,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(tokenIssuer),
			jwt.WithAudience(tokenAudience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway)),
	}
}

// issue returns a token for a client service that has shown secret, and the token's unique id.
func (t *tokens) issue(clientService string, secret clientservice.Secret, now time.Time) (token, id string, err error) {
	id = rand.Text()
	key := t.keys.signing()
	token, err = key.sign(claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: clientService, ID: id,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(t.lifetime)),
		},
		Scope:  tokenScope,
		Secret: key.secretDigest(clientService, secret),
	})
	return token, id, err
}

// errForeign marks a token that names a key which this service does not have.
var errForeign = errors.New("token names another key")

// verify returns the claims of a token that this service has issued. ours is false if the token
// does not name a key of this service; then another issuer may know it.
func (t *tokens) verify(token string, now time.Time) (c *claims, ours bool, err error) {
	bad := unauthenticated("the token was not issued by this service, or is damaged")
	if token == "" || len(token) > maxTokenBytes {
		return nil, true, bad
	}
	c = new(claims)
	_, err = t.parser.ParseWithClaims(token, c, func(parsed *jwt.Token) (any, error) {
		var ok bool
		if c.key, ok = t.keys.find(parsed.Header["kid"], now); ok {
			return c.key.key, nil
		}
		return nil, errForeign
	})
	switch {
	case err == nil:
		return c, true, t.checkTimes(c, now)
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, true, unauthenticated(tokenExpired)
	case errors.Is(err, errForeign), errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, jwt.ErrTokenUnverifiable),
		errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, false, bad
	}
	return nil, true, bad
}

const tokenExpired = "the token has expired"

// checkTimes refuses tokens that the parser accepts: one without a time of issue, one that is older
// than the lifetime of this service's tokens whatever its expiry is, and one that a key has signed
// after that key was replaced.
func (t *tokens) checkTimes(c *claims, now time.Time) error {
	switch {
	case c.IssuedAt == nil:
		return unauthenticated("the token does not say when it was issued")
	case now.After(c.IssuedAt.Add(t.lifetime + leeway)):
		return unauthenticated(tokenExpired)
	case !c.key.covers(c, t.lifetime):
		return unauthenticated("the key of the token was replaced before the token was issued")
	}
	return nil
}

// secretOf returns the secret of the client service for which the token was issued; zero if the
// token does not name it. It refuses a token whose secret the client service no longer has.
func (c *claims) secretOf(client *clientservice.ClientService) (clientservice.Secret, error) {
	if c.Secret == "" {
		return clientservice.Secret{}, nil
	}
	if secret := c.key.secretOf(c.Secret, client); !secret.IsZero() {
		return secret, nil
	}
	return clientservice.Secret{}, unauthenticated(
		"the token was issued for a secret that the client service no longer has")
}

// issueToken is the token endpoint: RFC 6749 4.4. The client authenticates by HTTP Basic.
// grant_type may stand in the form or in the query.
func issueToken(x *exchange) error {
	scheme, rest, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return unauthenticated("HTTP Basic with client service id and secret is missing")
	}
	client, secret, err := x.api.authenticator.byBasic(x.api.cfg.ClientServices(), basic{
		credentials: rest, remote: x.r.RemoteAddr, at: x.began, formEncoded: true,
	})
	if err != nil {
		return err
	}
	x.client = client
	if err := x.api.quotas.Request(client.ID, x.began); err != nil {
		return err
	}
	if err := checkGrant(x.r, x.body); err != nil {
		return err
	}
	token, id, err := x.api.tokens.issue(client.ID, secret, time.Now())
	if err != nil {
		return err
	}
	x.api.metrics.tokens.Inc()
	x.w.Header().Set("Cache-Control", "no-store") // RFC 6749 5.1
	x.w.Header().Set("Pragma", "no-cache")
	return x.w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
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
func checkGrant(r *http.Request, body io.Reader) error {
	grants := r.URL.Query()["grant_type"]
	data, err := io.ReadAll(io.LimitReader(body, maxFormBytes+1))
	if err != nil {
		return err
	}
	if len(data) > maxFormBytes {
		return signing.Errorf(signing.KindTooLarge, "the form is larger than %d bytes", maxFormBytes)
	}
	// The Content-Type matters only if the body is not empty. With an empty body, clients send no type
	// or a wrong one.
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(data) > 0 && media == "application/x-www-form-urlencoded" {
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
