package csc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// serviceInfo says where and how to call a service, as described by info.
type serviceInfo struct {
	base         string // https://host/csc/v2
	v1           bool
	asynchronous bool
	tokens       tokenSource
}

// discovery finds out, by calling info, where the service is and how it wants to be called.
type discovery struct {
	set        Settings
	identified bool // a client id is configured
	client     *client
}

// versioned matches a base path that ends in a version.
var versioned = regexp.MustCompile(`/v[0-9]+(\.[0-9]+)*$`)

// find calls info until it gets a description: at the configured base path, or, if that names no
// version, at the path of each version, newest first. It tries the next path only if the answer is
// not a description. An unreachable service is not called at its other paths.
func (d *discovery) find(ctx context.Context) (*serviceInfo, *failure) {
	bases := []string{d.set.URL}
	if !versioned.MatchString(d.set.URL) {
		bases = []string{d.set.URL + "/csc/v2", d.set.URL + "/csc/v1", d.set.URL + "/csc/v0"}
	}
	var worst *failure
	for _, base := range bases {
		var info infoAnswer
		status, f := d.client.post(ctx, base, methodInfo, "", struct{}{}, &info)
		if f == nil && !info.empty() {
			return d.readInfo(ctx, base, info)
		}
		if f == nil {
			f = unreadable(errors.New("answer of info describes nothing"), false)
		}
		if worst == nil || worst.Hint == tryOtherPath {
			worst = f
		}
		if status == 0 || status == http.StatusTooManyRequests || status >= 500 && f.Hint != tryOtherPath {
			break
		}
	}
	return nil, worst
}

// readInfo reads the answer of info.
func (d *discovery) readInfo(ctx context.Context, base string, info infoAnswer) (*serviceInfo, *failure) {
	at := &serviceInfo{base: base, v1: isVersion1(info.Specs, base)}
	if !at.v1 {
		at.asynchronous = info.Asynchronous && slices.Contains(info.Methods, "signatures/signPolling")
	}
	switch d.set.OperationMode {
	case "S":
		at.asynchronous = false
	case "A":
		if !at.asynchronous {
			return nil, fail(signing.KindConfiguration, "operationMode A: the signing service does not offer it")
		}
	}
	var f *failure
	at.tokens, f = d.findTokens(ctx, base, info)
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
func (d *discovery) findTokens(ctx context.Context, base string, info infoAnswer) (tokenSource, *failure) {
	at, kind, f := d.access(base, info)
	switch {
	case f != nil || kind != authOAuth2:
		return at, f
	case d.set.TokenURL != "":
		return tokenSource{url: d.set.TokenURL}, nil
	case info.OAuth2 != "":
		return d.trusted(oauthBase(info.OAuth2) + "/oauth2/token")
	case info.OAuth2Issuer != "":
		return d.issuerTokens(ctx, info.OAuth2Issuer)
	}
	return tokenSource{}, fail(signing.KindConfiguration,
		"tokenURL: is needed, because the signing service does not say where its tokens come from")
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
func (d *discovery) trusted(address string) (tokenSource, *failure) {
	u, err := url.Parse(address)
	plain := strings.HasPrefix(d.set.URL, "http://")
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && plain) {
		return tokenSource{}, fail(signing.KindConfiguration,
			"tokenURL: is needed, because the signing service names a token endpoint that is not https").
			Because(fmt.Errorf("it named %q", remotefault.Text(address)))
	}
	return tokenSource{url: address}, nil
}

// issuerTokens finds the token endpoint in the authorization server's metadata (RFC 8414 3).
func (d *discovery) issuerTokens(ctx context.Context, issuer string) (tokenSource, *failure) {
	if _, f := d.trusted(issuer); f != nil {
		return tokenSource{}, f
	}
	u, _ := url.Parse(issuer)
	u.Path = "/.well-known/oauth-authorization-server" + strings.TrimRight(u.Path, "/")
	ctx, cancel := context.WithTimeout(ctx, methodInfo.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return tokenSource{}, fail(signing.KindConfiguration, "tokenURL: is needed").Because(err)
	}
	var metadata struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if _, f := d.client.exchange(r, methodInfo, &metadata); f != nil {
		return tokenSource{}, f
	}
	if strings.TrimRight(metadata.Issuer, "/") != strings.TrimRight(issuer, "/") {
		return tokenSource{}, fail(signing.KindConfiguration,
			"tokenURL: is needed, because the authorization server's metadata names another issuer")
	}
	return d.trusted(metadata.TokenEndpoint)
}
