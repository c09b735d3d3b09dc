package csc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// place says where and how to call a service, as described by info.
type place struct {
	base         string // https://host/csc/v2
	v1           bool
	asynchronous bool
	tokens       tokenPlace
}

// method is one API method with its time limit and the size limit of its answer.
type method struct {
	name    string
	limit   int64 // bytes
	timeout time.Duration
	signs   bool
	reads   bool // a read-only method; it may be sent any number of times
}

// The limits. Descriptions of services and credentials take a few KB, a chain of ten certificates
// about 30 KB, so an answer above one megabyte is not plausible. Authorising may involve an HSM and
// another service, so it may take a minute.
const (
	maxDescription = 1 << 20
	maxSmall       = 64 << 10
	maxValueText   = 2 << 10 // an RSA-8192 value in base64, with room
)

var (
	methodInfo       = method{name: "info", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodList       = method{name: "credentials/list", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodCredential = method{name: "credentials/info", limit: maxDescription, timeout: 30 * time.Second, reads: true}
	methodAuthorize  = method{name: "credentials/authorize", limit: maxSmall, timeout: time.Minute}
	methodCheck      = method{name: "credentials/authorizeCheck", limit: maxSmall, timeout: 30 * time.Second}
)

// methodSign returns signatures/signHash for n digests.
func methodSign(n int) method {
	return method{name: "signatures/signHash", limit: maxSmall + int64(n)*maxValueText, timeout: 0, signs: true}
}

func methodPolling(n int) method {
	return method{
		name:    "signatures/signPolling",
		limit:   maxSmall + int64(n)*maxValueText,
		timeout: 30 * time.Second,
		reads:   true,
	}
}

// versioned matches a base path that ends in a version.
var versioned = regexp.MustCompile(`/v[0-9]+(\.[0-9]+)*$`)

// find calls info until it gets a description: at the configured base path, or, if that names no
// version, at the path of each version, newest first. It tries the next path only if the answer is
// not a description. An unreachable service is not called at its other paths.
func (p *Provider) find(ctx context.Context) (*place, *failure) {
	bases := []string{p.set.URL}
	if !versioned.MatchString(p.set.URL) {
		bases = []string{p.set.URL + "/csc/v2", p.set.URL + "/csc/v1", p.set.URL + "/csc/v0"}
	}
	var worst *failure
	for _, base := range bases {
		var info infoAnswer
		status, f := p.post(ctx, base, methodInfo, "", struct{}{}, &info)
		if f == nil && !info.empty() {
			return p.settle(ctx, base, info)
		}
		if f == nil {
			f = unreadable(errors.New("answer of info describes nothing"), false)
		}
		if worst == nil || worst.Hint == askOtherPlace {
			worst = f
		}
		if status == 0 || status == http.StatusTooManyRequests || status >= 500 && f.Hint != askOtherPlace {
			break
		}
	}
	return nil, worst
}

// settle reads the answer of info.
func (p *Provider) settle(ctx context.Context, base string, info infoAnswer) (*place, *failure) {
	at := &place{base: base, v1: isVersion1(info.Specs, base)}
	if !at.v1 {
		at.asynchronous = info.Asynchronous && slices.Contains(info.Methods, "signatures/signPolling")
	}
	switch p.set.OperationMode {
	case "S":
		at.asynchronous = false
	case "A":
		if !at.asynchronous {
			return nil, fail(signing.KindConfiguration, "operationMode A: the signing service does not offer it")
		}
	}
	var f *failure
	at.tokens, f = p.findTokens(ctx, base, info)
	return at, f
}

// isVersion1 reports whether a service implements version 1 of the API, or a draft of it. specs is
// the version in info ("1.0.4.0"; some services write "v1.0.4.0"). If it is empty, the base path
// decides.
func isVersion1(specs, base string) bool {
	specs = strings.TrimLeft(strings.TrimSpace(specs), "vV")
	if specs == "" {
		return strings.Contains(base, "/v1") || strings.Contains(base, "/v0")
	}
	major, _, _ := strings.Cut(specs, ".")
	return major == "1" || major == "0"
}

// findTokens decides where access tokens come from.
func (p *Provider) findTokens(ctx context.Context, base string, info infoAnswer) (tokenPlace, *failure) {
	at, kind, f := p.access(base, info)
	switch {
	case f != nil || kind != authOAuth2:
		return at, f
	case p.set.TokenURL != "":
		return tokenPlace{url: p.set.TokenURL}, nil
	case info.OAuth2 != "":
		return p.trusted(oauthBase(info.OAuth2) + "/oauth2/token")
	case info.OAuth2Issuer != "":
		return p.issuerTokens(ctx, info.OAuth2Issuer)
	}
	return tokenPlace{}, fail(
		signing.KindConfiguration,
		"tokenURL: is needed, since the signing service does not say where its tokens come from",
	)
}

// oauthBase removes the path that some services append to the base URI of their authorization
// server, against the standard.
func oauthBase(v string) string {
	v = strings.TrimRight(v, "/")
	for _, suffix := range []string{"/oauth2/authorize", "/oauth2/token", "/oauth2"} {
		if cut, ok := strings.CutSuffix(v, suffix); ok {
			return strings.TrimRight(cut, "/")
		}
	}
	return v
}

// trusted decides whether our secret may be sent to an address that the service named. It refuses
// an address without TLS if the service itself uses TLS.
func (p *Provider) trusted(address string) (tokenPlace, *failure) {
	u, err := url.Parse(address)
	plain := strings.HasPrefix(p.set.URL, "http://")
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && plain) {
		return tokenPlace{}, fail(
			signing.KindConfiguration,
			"tokenURL: is needed, since the signing service names a place for our secret that is not https",
		).Because(
			fmt.Errorf("it named %q", remotefault.Text(address)),
		)
	}
	return tokenPlace{url: address}, nil
}

// issuerTokens finds the token endpoint in the authorization server's metadata (RFC 8414 3).
func (p *Provider) issuerTokens(ctx context.Context, issuer string) (tokenPlace, *failure) {
	if _, f := p.trusted(issuer); f != nil {
		return tokenPlace{}, f
	}
	u, _ := url.Parse(issuer)
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimRight(u.Path, "/")
	ctx, cancel := context.WithTimeout(ctx, methodInfo.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return tokenPlace{}, fail(signing.KindConfiguration, "tokenURL: is needed").Because(err)
	}
	var metadata struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if _, f := p.exchange(r, methodInfo, &metadata); f != nil {
		return tokenPlace{}, f
	}
	if strings.TrimRight(metadata.Issuer, "/") != strings.TrimRight(issuer, "/") {
		return tokenPlace{}, fail(
			signing.KindConfiguration,
			"tokenURL: is needed, since the authorization server's metadata is somebody else's",
		)
	}
	return p.trusted(metadata.TokenEndpoint)
}

// post makes one call and decodes its answer into out. If there is no failure, the status is 200,
// 202 or 204.
func (p *Provider) post(ctx context.Context, base string, m method, token string, in, out any) (int, *failure) {
	if m.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.timeout)
		defer cancel()
	}
	body, err := json.Marshal(in)
	if err != nil {
		return 0, fail(signing.KindInternal, "").Because(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/"+m.name, bytes.NewReader(body))
	if err != nil {
		return 0, fail(signing.KindConfiguration, "url: cannot be used").Because(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return p.exchange(r, m, out)
}

func (p *Provider) exchange(r *http.Request, m method, out any) (int, *failure) {
	r.Header.Set("Accept", "application/json")
	if m.reads {
		outbound.Repeatable(r)
	}
	a, err := outbound.Exchange(p.http, r, m.limit)
	if err != nil {
		return 0, lost(err, m.signs)
	}
	if a.Status >= 300 {
		return a.Status, refusal(a, m.signs)
	}
	if a.Status == http.StatusNoContent {
		return a.Status, nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		if m.name == methodAuthorize.name || m.name == methodCheck.name {
			err = errors.New("not the JSON it should be") // the cause might quote activation data
		}
		return a.Status, unreadable(fmt.Errorf("read answer of %s: %w", m.name, err), m.signs)
	}
	return a.Status, nil
}

// authorized is post with an access token. If the token is refused, it gets another one and repeats
// the call. It does not repeat the call that signs, because the caller must count each signHash
// that is sent.
func (p *Provider) authorized(ctx context.Context, at *place, m method, in, out any) (int, *failure) {
	for try := 1; ; try++ {
		token, f := p.tokens.get(ctx, at.tokens)
		if f != nil {
			return 0, f
		}
		status, f := p.post(ctx, at.base, m, token, in, out)
		if f == nil || f.Hint != renewToken || try == 2 {
			return status, f
		}
		p.tokens.drop(token)
		if m.signs {
			return status, f
		}
	}
}
