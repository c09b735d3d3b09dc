package csc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// At most this many token calls are sent in a second, whatever happens.
	tokenCallsPerSecond = 3
	// A refusal of our id and secret is returned to all callers for this long, unless these change.
	refusalKept = time.Second
	// userRefusalKept is the same for a user's password. It is longer, because services lock users out
	// after a few wrong ones.
	userRefusalKept = 5 * time.Minute
	tokenTimeout    = 30 * time.Second
)

// tokenEndpoint gets access tokens from a token endpoint or from auth/login. It is safe for
// concurrent use.
type tokenEndpoint struct {
	http     *http.Client
	set      Settings
	identity func() (id string, secrets []string, err error)
	client   clientauth.Client
	pace     *pace.Pace
	refused  refusedSecrets
}

// proof is what we send to get a token: a client with secrets, one of which should be correct, and
// optionally a user. For auth/login, the user replaces the client.
type proof struct {
	id             string
	secrets        []string
	user, password string
}

// proof reads the client and the user for the token source from.
func (t *tokenEndpoint) proof(from tokenSource) (p proof, err error) {
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
func (t *tokenEndpoint) ask(ctx context.Context, from tokenSource, form url.Values) (tokenAnswer, *failure) {
	p, err := t.proof(from)
	if err != nil || len(p.secrets) == 0 {
		return tokenAnswer{}, fail(signing.KindConfiguration,
			"the client id or secret of the signing service cannot be read").Because(err)
	}
	parts := append([]string{from.url, p.id, p.user, p.password}, p.secrets...)
	identity := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	if f := t.refused.find(identity); f != nil {
		return tokenAnswer{}, f
	}
	var a tokenAnswer
	var f *failure
	for _, secret := range t.refused.order(p.secrets) {
		if from.login {
			a, f = t.login(ctx, from, p.id, secret)
		} else {
			a, f = t.grant(ctx, from, form, p, secret)
		}
		if f == nil || f.Kind != signing.KindProviderCredentials {
			return a, f
		}
		t.refused.note(secret)
	}
	keep := refusalKept
	if t.set.Username != "" {
		keep = userRefusalKept
	}
	t.refused.keep(identity, f, keep)
	return a, f
}

// login gets a token by auth/login. User and password go into HTTP Basic without encoding (RFC
// 7617). The body needs no field.
func (t *tokenEndpoint) login(ctx context.Context, from tokenSource, id, secret string) (tokenAnswer, *failure) {
	if f := t.inPace(ctx); f != nil {
		return tokenAnswer{}, f
	}
	return t.request(ctx, from.url, "application/json", "{}", func(r *http.Request) { r.SetBasicAuth(id, secret) })
}

// grant gets a token from the token endpoint with one secret. It tries each encoding that the
// endpoint may understand.
func (t *tokenEndpoint) grant(
	ctx context.Context, from tokenSource, form url.Values, p proof, secret string,
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
func (t *tokenEndpoint) inPace(ctx context.Context) *failure {
	if err := t.pace.Wait(ctx); err != nil {
		return fail(signing.KindProvider, "the signing service did not return an access token in time").
			Because(err).Retryable(0)
	}
	return nil
}

// credentialToken gets a token with scope credential, which replaces the SAD of an oauth2code
// credential (CSC 8.4.2 and 11.10). It is valid for one use and is not kept.
func (t *tokenEndpoint) credentialToken(ctx context.Context, from tokenSource, form url.Values) (string, *failure) {
	form.Set("scope", "credential")
	a, f := t.ask(ctx, from, form)
	return a.AccessToken, f
}

// request makes one call. authenticate sets the header that authenticates us.
func (t *tokenEndpoint) request(
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
		return a, unreadable(errors.New("token answer is not JSON of the expected form"), false)
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
