package csc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// The values of Settings.AuthType and Settings.GrantType.
const (
	authOAuth2   = "oauth2"
	authBasic    = "basic"
	authExternal = "external"

	grantClient   = "client_credentials"
	grantPassword = "password"
)

// validateAccess returns the mistakes in the settings with which we authenticate to the service.
func (s Settings) validateAccess() (bad []error) {
	add := func(format string, args ...any) { bad = append(bad, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{"", authOAuth2, authBasic, authExternal}, s.AuthType) {
		add("authType: %q is not oauth2, basic or external", s.AuthType)
	}
	if !slices.Contains([]string{"", grantClient, grantPassword}, s.GrantType) {
		add("grantType: %q is not client_credentials or password", s.GrantType)
	}
	if err := clientauth.Method(s.ClientAuth).Validate("clientAuth"); err != nil {
		bad = append(bad, err)
	}
	public := s.GrantType == grantPassword && s.ClientSecretFile == ""
	if (s.ClientID == "") != (s.ClientSecretFile == "") && !(public && s.ClientID != "") {
		add("clientID and clientSecretFile: one is set without the other")
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		add("username and passwordFile: one is set without the other")
	}
	if s.GrantType == grantPassword && s.Username == "" {
		add("grantType: password needs username and passwordFile")
	}
	if s.TokenURL != "" && (s.AuthType == authBasic || s.AuthType == authExternal) {
		add("tokenURL: is not used with authType %s", s.AuthType)
	}
	return bad
}

// CheckIdentity returns an error if s lacks a client id and Config.Identity is nil. No client id is
// needed when another method authenticates us. If AuthType is empty, the answer of info decides
// which method is used. So a missing id may be detected only when the service is asked.
func (s Settings) CheckIdentity() error {
	oauth2 := s.AuthType == authOAuth2 || s.TokenURL != "" || s.GrantType == grantPassword
	if s.ClientID == "" && (oauth2 || s.AuthType == authBasic && s.Username == "") {
		return errors.New("clientID: is needed, and with it clientSecretFile")
	}
	return nil
}

// identity returns ClientID and the secret. It is the default of Config.Identity.
func (s Settings) identity() (id string, secrets []string, err error) {
	if s.ClientID == "" {
		return "", nil, errors.New("clientID is not set")
	}
	if s.ClientSecretFile == "" { // a public client
		return s.ClientID, []string{""}, nil
	}
	secret, err := secretfile.Read(s.ClientSecretFile)
	return s.ClientID, []string{secret}, err
}

// user returns Username and the password.
func (s Settings) user() (name, password string, err error) {
	password, err = secretfile.Read(s.PasswordFile)
	return s.Username, password, err
}

// access decides how we get access to the service at base: by OAuth2, by auth/login, or without a
// token.
//
// Among the methods that info offers and that we can use, the order is: OAuth2 for servers
// (oauth2client), auth/login, no token (external). The last choice is OAuth2 when info names an
// authorization server but offers only oauth2code or no method at all, because such services often
// give tokens to servers too.
func (d *discovery) access(base string, info infoAnswer) (tokenSource, string, *failure) {
	offers := func(kinds ...string) bool {
		return slices.ContainsFunc(kinds, func(k string) bool { return slices.Contains(info.AuthType, k) })
	}
	login := tokenSource{url: base + "/auth/login", login: true}
	server := info.OAuth2 != "" || info.OAuth2Issuer != ""
	kind := d.set.AuthType
	switch {
	case kind != "":
	case d.set.TokenURL != "", d.set.GrantType == grantPassword, server && offers("oauth2client") && d.identified:
		kind = authOAuth2
	case offers(authBasic) && (d.identified || d.set.Username != ""):
		kind = authBasic
	case offers(authExternal, "TLS", "tls"):
		kind = authExternal
	case server:
		kind = authOAuth2
	case offers(authBasic):
		kind = authBasic
	default:
		return tokenSource{}, "", fail(signing.KindConfiguration,
			"tokenURL: is needed, because the signing service does not say where its tokens come from")
	}
	switch {
	case kind == authOAuth2 && !d.identified:
		return tokenSource{}, "", fail(signing.KindConfiguration,
			"clientID: is needed, because the signing service wants an OAuth2 token")
	case kind == authBasic && !d.identified && d.set.Username == "":
		return tokenSource{}, "", fail(signing.KindConfiguration,
			"username: is needed, because the signing service wants a login")
	case kind == authBasic:
		return login, kind, nil
	}
	return tokenSource{}, kind, nil
}
