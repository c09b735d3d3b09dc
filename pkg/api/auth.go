package api

import (
	"encoding/base64"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func unauthenticated(reason string) *signing.Error {
	return signing.Errorf(signing.KindUnauthenticated, "%s", reason)
}

// authenticate finds out which client service calls: by a bearer token of this service or of the
// remote signing service, or by HTTP Basic.
func (x *exchange) authenticate() error {
	values := x.r.Header.Values("Authorization")
	if len(values) != 1 {
		return unauthenticated(
			"Authorization is missing, or came more than once: send a bearer token, or HTTP Basic with client service id and secret",
		)
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	services := x.api.cfg.ClientServices()
	var err error
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		x.bearer = true
		x.client, x.shown, err = x.byToken(services, strings.TrimSpace(rest))
	case strings.EqualFold(scheme, "Basic"):
		x.client, x.shown, err = x.byBasic(services, rest, false)
	default:
		err = unauthenticated(
			"Authorization has an unknown scheme: send a bearer token, or HTTP Basic with client service id and secret",
		)
	}
	return err
}

// byToken returns the client service that a token was issued to, and the secret that it was issued
// for. The secret is zero if it is not known.
func (x *exchange) byToken(services *clientservice.Services, token string) (
	c *clientservice.ClientService, shown clientservice.Secret, err error,
) {
	own, ours, err := x.api.tokens.verify(token, time.Now())
	var id string
	switch {
	case err == nil:
		id = own.Subject
	case !ours && x.api.cfg.RemoteTokens != nil:
		if id, err = x.api.cfg.RemoteTokens.Verify(x.r.Context(), token); err != nil {
			return nil, shown, err
		}
	default:
		return nil, shown, err
	}
	if c = services.Lookup(id); c == nil {
		return nil, shown, signing.Errorf(
			kindUnknownClient,
			"the client service of the token is not known here, or no longer known",
		)
	}
	if own != nil {
		shown, err = own.secretOf(c)
	}
	if err == nil && own != nil && own.Forward != nil {
		err = x.acceptForward(own)
	}
	if err != nil {
		return nil, shown, err
	}
	return c, shown, nil
}

// byBasic reads the credentials of HTTP Basic (RFC 7617) and compares them in constant time. It
// returns the client service and the secret that was shown, which is its secret or its previous
// one. With form, the credentials may be form-encoded: RFC 6749 2.3.1 requires that of clients of
// the token endpoint, and few do so.
func (x *exchange) byBasic(services *clientservice.Services, credentials string, form bool) (
	c *clientservice.ClientService, shown clientservice.Secret, err error,
) {
	id, secret, ok := parseBasic(credentials)
	if !ok {
		return nil, shown, unauthenticated("Authorization: Basic does not contain id:secret in base64")
	}
	err = x.api.brake.Check(limits.NewBrakeKey(x.r.RemoteAddr, id), x.began, secret, func() bool {
		c, shown = services.Authenticate(id, secret), clientservice.NewSecret(secret)
		if c == nil && form && strings.ContainsAny(id+secret, "%+") {
			c, shown = byEncoded(services, id, secret)
		}
		return c != nil
	})
	return c, shown, err
}

// byEncoded compares credentials that are form-encoded.
func byEncoded(
	services *clientservice.Services,
	id, secret string,
) (*clientservice.ClientService, clientservice.Secret) {
	plainID, err1 := url.QueryUnescape(id)
	plainSecret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil {
		return nil, clientservice.Secret{}
	}
	return services.Authenticate(plainID, plainSecret), clientservice.NewSecret(plainSecret)
}

// parseBasic decodes and splits the credentials. Credentials that are not UTF-8 are read as ISO
// 8859-1, because old clients write them so.
func parseBasic(credentials string) (id, secret string, ok bool) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials))
	if err != nil {
		return "", "", false
	}
	text := string(data)
	if !utf8.Valid(data) {
		runes := make([]rune, len(data))
		for i, c := range data {
			runes[i] = rune(c)
		}
		text = string(runes)
	}
	return strings.Cut(text, ":")
}

// countRequest counts the request against the client service's rate. It does not count a request
// that another instance has passed on and proved, because that instance has counted it. Otherwise
// one request with an Idempotency-Key would count at every instance.
func (x *exchange) countRequest() error {
	if x.counted {
		return nil
	}
	return x.api.quotas.Request(x.client.ID, x.began)
}
