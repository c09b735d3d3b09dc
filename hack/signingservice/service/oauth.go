package service

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// oauth serves the token endpoint, token introspection, the token keys and the CSC's auth/login.
type oauth struct {
	opts        *Options
	counts      *counts
	tokens      *tokens
	sads        *sads
	credentials credentials
}

func (o *oauth) routes(f *frontend) {
	for _, path := range []string{"/oauth2/authorization-server/oauth/token", "/oauth2/token"} {
		f.handle("POST "+path, "token", o.serveToken)
	}
	f.handle("POST /oauth2/authorization-server/oauth/introspect", "introspect", o.serveIntrospection)
	f.handle("GET /oauth2/authorization-server/jwks.json", "jwks", o.serveKeys)
	f.handle("POST /csc/v1/auth/login", "auth/login", o.serveLogin)
	f.handle("POST /csc/v2/auth/login", "auth/login", o.serveLogin)
}

// parameters returns the parameters of the form and of the query, because real clients use both.
func parameters(x *exchange) url.Values {
	form, _ := url.ParseQuery(string(x.body))
	for name, values := range x.URL.Query() {
		form[name] = append(form[name], values...)
	}
	return form
}

// client authenticates an OAuth2 client by HTTP Basic or by form fields.
func (o *oauth) client(x *exchange, form url.Values) (string, bool) {
	id, secret, ok := x.BasicAuth()
	switch {
	case ok && o.opts.ClientAuth == InForm:
		return "", false
	case ok && o.opts.ClientAuth == Decoded:
		var idErr, secretErr error
		id, idErr = url.QueryUnescape(id)
		if secret, secretErr = url.QueryUnescape(secret); idErr != nil || secretErr != nil {
			return "", false
		}
	case !ok:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	want, known := o.opts.ClientServices[id]
	if known && want == "" { // a public client
		return id, !ok && secret == "" && form.Get("grant_type") == "password"
	}
	return id, known && same(want, secret)
}

func same(want, got string) bool { return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1 }

// rightPassword reports whether name is a user with that password.
func (o *oauth) rightPassword(name, password string) bool {
	want, known := o.opts.Users[name]
	return known && same(want, password)
}

// serveLogin is auth/login (CSC v1 11.2).
func (o *oauth) serveLogin(x *exchange) answer {
	name, password, ok := x.BasicAuth()
	if o.opts.Users != nil {
		ok = ok && o.rightPassword(name, password)
	} else {
		want, known := o.opts.ClientServices[name]
		ok = ok && known && want != "" && same(want, password)
	}
	if !ok {
		return answer{status: http.StatusUnauthorized, body: object{
			{"error", "authentication_error"}, {"error_description", "An error occurred during authentication process"},
		}}
	}
	if !json.Valid(x.body) {
		return refuse("invalid_request", "Malformed request")
	}
	token, _ := o.issue(accessToken{client: name, scope: "service", expires: time.Now().Add(o.opts.TokenLifetime)})
	return answer{status: http.StatusOK, body: object{
		{"expires_in", int(o.opts.TokenLifetime.Seconds())}, {"access_token", token},
	}}
}

// issue makes, stores and counts a token, and returns it with its id. If the token authorises
// signatures, it is signature activation data too.
func (o *oauth) issue(t accessToken) (token, id string) {
	token, id = o.tokens.issue(t)
	if t.sad != nil {
		o.sads.store(token, t.sad)
	}
	o.counts.token()
	return token, id
}

func (o *oauth) serveToken(x *exchange) answer {
	form := parameters(x)
	id, ok := o.client(x, form)
	if !ok {
		return answer{
			status: http.StatusUnauthorized,
			header: map[string]string{"WWW-Authenticate": `Basic realm="simulated"`},
			body:   object{{"error_description", "Bad credentials"}, {"error", "invalid_client"}},
		}
	}
	switch grant := form.Get("grant_type"); {
	case grant == "password" && o.opts.Users != nil:
		if !o.rightPassword(form.Get("username"), form.Get("password")) {
			return refuse("invalid_grant", "The provided authorization grant is invalid")
		}
	case grant != "client_credentials":
		return refuse("unsupported_grant_type", "Invalid parameter grant_type")
	}
	t := accessToken{client: id, scope: "read write", expires: time.Now().Add(o.opts.TokenLifetime)}
	if form.Get("scope") == "credential" {
		bound, refusal := o.credentialScope(form)
		if refusal != nil {
			return *refusal
		}
		t.scope, t.sad = "credential", bound
	}
	token, id := o.issue(t)
	return answer{status: http.StatusOK, header: map[string]string{"Cache-Control": "no-store"}, body: object{
		{"token_type", "bearer"},
		{"scope", t.scope},
		{"expires_in", int(o.opts.TokenLifetime.Seconds())},
		{"jti", id},
		{"access_token", token},
	}}
}

// credentialScope reads the CSC's parameters of oauth2/authorize (8.4.2), here allowed at the token
// endpoint.
func (o *oauth) credentialScope(form url.Values) (*sad, *answer) {
	req := authorization{CredentialID: form.Get("credentialID"), NumSignatures: json.Number(form.Get("numSignatures"))}
	list := form.Get("hashes")
	if list == "" {
		list = form.Get("hash")
	}
	for _, h := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		digest, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(h, "="))
		if err != nil {
			a := refuse("invalid_request", "Invalid parameter hashes")
			return nil, &a
		}
		req.Hashes = append(req.Hashes, base64.StdEncoding.EncodeToString(digest))
	}
	c, n, refusal := o.credentials.check(req)
	if refusal != nil {
		return nil, refusal
	}
	if c.AuthMode != OAuth2Code {
		a := refuse("invalid_scope", "The credential is not authorised by OAuth2")
		return nil, &a
	}
	return o.sads.make(c, n, req.Hashes), nil
}

// serveIntrospection serves token introspection (RFC 7662).
func (o *oauth) serveIntrospection(x *exchange) answer {
	form := parameters(x)
	if _, ok := o.client(x, form); !ok {
		return answer{status: http.StatusUnauthorized, body: object{{"error", "invalid_client"}}}
	}
	t, ok := o.tokens.find(form.Get("token"))
	if !ok {
		return answer{status: http.StatusOK, body: object{{"active", false}}}
	}
	return answer{
		status: http.StatusOK,
		body:   object{{"exp", t.expires.Unix()}, {"client_id", t.client}, {"active", true}, {"scope", t.scope}},
	}
}

// serveKeys serves the JSON Web Key Set (RFC 7517 5), with an unused key beside the right one.
func (o *oauth) serveKeys(*exchange) answer {
	point, err := o.tokens.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // a P-256 key has a point
	}
	coordinate := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	return answer{status: http.StatusOK, body: object{
		{
			"keys",
			[]object{
				{{"kty", "oct"}, {"k", "bm90IGEga2V5"}, {"kid", "ignore-me"}},
				{
					{"crv", "P-256"},
					{"kid", tokenKeyID},
					{"use", "sig"},
					{"alg", "ES256"},
					{"kty", "EC"},
					{"x", coordinate(point[1:33])},
					{"y", coordinate(point[33:])},
				},
			},
		},
	}}
}
