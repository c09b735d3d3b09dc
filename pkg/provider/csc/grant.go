package csc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// proof is what we send to get a token: a client with secrets, one of which should be correct, and
// optionally a user. For auth/login, the user replaces the client.
type proof struct {
	id             string
	secrets        []string
	user, password string
}

// proof reads the client and the user for the token source from.
func (t *tokens) proof(from tokenPlace) (p proof, err error) {
	if from.login && t.set.Username != "" {
		name, password, err := t.set.user()
		return proof{id: name, secrets: []string{password}}, err
	}
	if p.id, p.secrets, err = t.identity(); err == nil && !from.login && t.set.GrantType == grantPassword {
		p.user, p.password, err = t.set.user()
	}
	return p, err
}

// ask requests a token by a grant of RFC 6749 (4.4 client_credentials, 4.3 password) or by
// auth/login (CSC v1 11.2). If our credentials are refused, the refusal is cached for a moment and
// returned to later callers.
func (t *tokens) ask(ctx context.Context, from tokenPlace, form url.Values) (tokenAnswer, *failure) {
	p, err := t.proof(from)
	if err != nil || len(p.secrets) == 0 {
		return tokenAnswer{}, fail(signing.KindConfiguration,
			"the client id or secret of the signing service cannot be read").Because(err)
	}
	parts := append([]string{from.url, p.id, p.user, p.password}, p.secrets...)
	identity := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	if f := t.refused(identity); f != nil {
		return tokenAnswer{}, f
	}
	var a tokenAnswer
	var f *failure
	for _, secret := range t.inTurn(p.secrets) {
		if from.login {
			a, f = t.login(ctx, from, p.id, secret)
		} else {
			a, f = t.grant(ctx, from, form, p, secret)
		}
		if f == nil || f.Kind != signing.KindProviderCredentials {
			return a, f
		}
		t.noteStale(secret)
	}
	keep := refusalKept
	if t.set.Username != "" {
		keep = userRefusalKept
	}
	t.keepRefusal(identity, f, keep)
	return a, f
}

// login gets a token by auth/login. User and password go into HTTP Basic without encoding (RFC
// 7617). The body needs no field.
func (t *tokens) login(ctx context.Context, from tokenPlace, id, secret string) (tokenAnswer, *failure) {
	if f := t.inPace(ctx); f != nil {
		return tokenAnswer{}, f
	}
	return t.request(ctx, from.url, "application/json", "{}", func(r *http.Request) { r.SetBasicAuth(id, secret) })
}

// grant gets a token from the token endpoint with one secret. It tries each encoding that the
// endpoint may understand.
func (t *tokens) grant(
	ctx context.Context, from tokenPlace, form url.Values, p proof, secret string,
) (a tokenAnswer, f *failure) {
	t.client.Try(p.id, secret, func(way clientauth.Way) clientauth.Outcome {
		if !form.Has("scope") { // each signHash needs its own token with scope credential
			if f = t.inPace(ctx); f != nil {
				return clientauth.Undecided
			}
		}
		body := maps.Clone(form)
		body.Set("grant_type", cmp.Or(t.set.GrantType, grantClient))
		if p.user != "" {
			body.Set("username", p.user)
			body.Set("password", p.password)
		}
		way.AddTo(body, p.id, secret)
		a, f = t.request(ctx, from.url, "application/x-www-form-urlencoded", body.Encode(), func(r *http.Request) {
			way.SetHeader(r, p.id, secret)
		})
		switch {
		case f == nil:
			return clientauth.Accepted
		case f.Kind == signing.KindProviderCredentials && f.Hint != wrongUser:
			return clientauth.Refused
		}
		return clientauth.Undecided
	})
	return a, f
}

// inPace waits until the rate limit allows a token call.
func (t *tokens) inPace(ctx context.Context) *failure {
	if err := t.pace.Wait(ctx); err != nil {
		return fail(signing.KindProvider, "the signing service gave no access token in time").Because(err).Retryable(0)
	}
	return nil
}
