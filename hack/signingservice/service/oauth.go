package service

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
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

func (s *Service) routeOAuth() {
	for _, path := range []string{"/oauth2/authorization-server/oauth/token", "/oauth2/token"} {
		s.handle("POST "+path, "token", s.serveToken)
	}
	s.handle("POST /oauth2/authorization-server/oauth/introspect", "introspect", s.serveIntrospection)
	s.handle("GET /oauth2/authorization-server/jwks.json", "jwks", s.serveKeys)
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
func (s *Service) client(x *exchange, form url.Values) (string, bool) {
	id, secret, ok := x.BasicAuth()
	switch {
	case ok && s.opts.ClientAuth == InForm:
		return "", false
	case ok && s.opts.ClientAuth == Decoded:
		var idErr, secretErr error
		id, idErr = url.QueryUnescape(id)
		if secret, secretErr = url.QueryUnescape(secret); idErr != nil || secretErr != nil {
			return "", false
		}
	case !ok:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	want, known := s.opts.ClientServices[id]
	if known && want == "" { // a public client
		return id, !ok && secret == "" && form.Get("grant_type") == "password"
	}
	return id, known && same(want, secret)
}

func same(want, got string) bool { return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1 }

// rightPassword reports whether name is a user with that password.
func (s *Service) rightPassword(name, password string) bool {
	want, known := s.opts.Users[name]
	return known && same(want, password)
}

// serveLogin is auth/login (CSC v1 11.2).
func (s *Service) serveLogin(x *exchange) answer {
	name, password, ok := x.BasicAuth()
	if s.opts.Users != nil {
		ok = ok && s.rightPassword(name, password)
	} else {
		want, known := s.opts.ClientServices[name]
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
	token, _ := s.keepToken(accessToken{client: name, scope: "service", expires: time.Now().Add(s.opts.TokenLifetime)})
	return answer{status: http.StatusOK, body: object{
		{"expires_in", int(s.opts.TokenLifetime.Seconds())}, {"access_token", token},
	}}
}

// keepToken stores a token, and returns it with its id.
func (s *Service) keepToken(t accessToken) (token, id string) {
	token, id = s.mint(t)
	s.mu.Lock()
	s.tokens[token] = t
	if t.sad != nil {
		s.sads[token] = t.sad
	}
	s.mu.Unlock()
	s.counts.token()
	return token, id
}

func (s *Service) serveToken(x *exchange) answer {
	form := parameters(x)
	id, ok := s.client(x, form)
	if !ok {
		return answer{
			status: http.StatusUnauthorized,
			header: map[string]string{"WWW-Authenticate": `Basic realm="simulated"`},
			body:   object{{"error_description", "Bad credentials"}, {"error", "invalid_client"}},
		}
	}
	switch grant := form.Get("grant_type"); {
	case grant == "password" && s.opts.Users != nil:
		if !s.rightPassword(form.Get("username"), form.Get("password")) {
			return refuse("invalid_grant", "The provided authorization grant is invalid")
		}
	case grant != "client_credentials":
		return refuse("unsupported_grant_type", "Invalid parameter grant_type")
	}
	t := accessToken{client: id, scope: "read write", expires: time.Now().Add(s.opts.TokenLifetime)}
	if form.Get("scope") == "credential" {
		bound, refusal := s.credentialScope(form)
		if refusal != nil {
			return *refusal
		}
		t.scope, t.sad = "credential", bound
	}
	token, id := s.keepToken(t)
	return answer{status: http.StatusOK, header: map[string]string{"Cache-Control": "no-store"}, body: object{
		{
			"token_type",
			"bearer",
		},
		{"scope", t.scope},
		{"expires_in", int(s.opts.TokenLifetime.Seconds())},
		{"jti", id},
		{"access_token", token},
	}}
}

// credentialScope reads the CSC's parameters of oauth2/authorize (8.4.2), here allowed at the token
// endpoint.
func (s *Service) credentialScope(form url.Values) (*sad, *answer) {
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
	c, n, refusal := s.checkAuthorization(req)
	if refusal != nil {
		return nil, refusal
	}
	if c.AuthMode != OAuth2Code {
		a := refuse("invalid_scope", "The credential is not authorised by OAuth2")
		return nil, &a
	}
	return s.newSAD(c, n, req.Hashes), nil
}

// mint makes a JWT (RFC 7519) signed with ES256.
func (s *Service) mint(t accessToken) (token, id string) {
	id = random(12)
	header := encode64(object{{"kid", tokenKeyID}, {"typ", "JWT"}, {"alg", "ES256"}})
	claims := encode64(object{
		{
			"jti",
			id,
		},
		{"scope", strings.Fields(t.scope)},
		{"client_id", t.client},
		{"aud", []string{"simulated-remote-service"}},
		{"iat", time.Now().Unix()},
		{"exp", t.expires.Unix()},
		{"iss", "https://simulated.invalid/"},
	})
	digest := sha256.Sum256([]byte(header + "." + claims))
	r, v, err := ecdsa.Sign(rand.Reader, s.tokenKey, digest[:])
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

// bearer returns the token of a request, or an answer that refuses it.
func (s *Service) bearer(x *exchange) (accessToken, *answer) {
	scheme, token, _ := strings.Cut(x.Header.Get("Authorization"), " ")
	refusal := &answer{
		status: http.StatusUnauthorized,
		header: map[string]string{"WWW-Authenticate": `Bearer error="invalid_token"`},
		body:   object{{"error", "invalid_token"}, {"error_description", "The access token is not valid"}},
	}
	if s.opts.OpenToAll && scheme == "" {
		return accessToken{scope: "read write"}, nil
	}
	if !strings.EqualFold(scheme, "bearer") {
		return accessToken{}, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.rude == ExpiredToken {
		delete(s.tokens, token)
	}
	t, ok := s.tokens[token]
	if !ok || time.Now().After(t.expires) {
		delete(s.tokens, token)
		return accessToken{}, refusal
	}
	return t, nil
}

// RevokeTokens invalidates all access tokens that were issued so far.
func (s *Service) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Token issues a token as the token endpoint does, but does not count it. It is for tests that act
// as another client.
func (s *Service) Token(client string) string {
	t := accessToken{client: client, scope: "read write", expires: time.Now().Add(s.opts.TokenLifetime)}
	token, _ := s.mint(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = t
	return token
}

// serveIntrospection serves token introspection (RFC 7662).
func (s *Service) serveIntrospection(x *exchange) answer {
	form := parameters(x)
	if _, ok := s.client(x, form); !ok {
		return answer{status: http.StatusUnauthorized, body: object{{"error", "invalid_client"}}}
	}
	s.mu.Lock()
	t, ok := s.tokens[form.Get("token")]
	s.mu.Unlock()
	if !ok || time.Now().After(t.expires) {
		return answer{status: http.StatusOK, body: object{{"active", false}}}
	}
	return answer{
		status: http.StatusOK,
		body:   object{{"exp", t.expires.Unix()}, {"client_id", t.client}, {"active", true}, {"scope", t.scope}},
	}
}

// serveKeys serves the JSON Web Key Set (RFC 7517 5), with an unused key beside the right one.
func (s *Service) serveKeys(*exchange) answer {
	point, err := s.tokenKey.PublicKey.Bytes()
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
