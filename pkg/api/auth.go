package api

import (
	"encoding/base64"
	"net/http"
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

// caller is who sends a request, and how the request proves it.
type caller struct {
	client *clientservice.ClientService // nil until authenticated
	// secret that the client authenticated with, now or when it got its token; zero if unknown
	shown   clientservice.Secret
	bearer  bool    // a bearer token was sent
	forward *claims // claims of another instance's forward token; nil if a client asks directly
	counted bool    // another instance has counted the request against the client's rate
}

// authenticator finds out which client service sends a request: by a bearer token of this service
// or of the remote signing service, or by HTTP Basic. Safe for concurrent use.
type authenticator struct {
	services func() *clientservice.Services
	tokens   *tokens
	remote   RemoteTokens // nil = tokens of others are refused
	brake    *limits.Brake
	used     *usedTokens
	// isHere reports whether a forward token was made for this instance
	isHere func(f *forwardClaims) bool
}

func newAuthenticator(cfg *Config, t *tokens) *authenticator {
	return &authenticator{
		services: cfg.ClientServices,
		tokens:   t,
		remote:   cfg.RemoteTokens,
		brake:    limits.NewBrake(cfg.ClientFailures),
		used:     new(usedTokens),
		isHere:   func(f *forwardClaims) bool { return f.isFor(cfg.Identity, cfg.Endpoint().Name) },
	}
}

// authenticate returns who sends a request that arrived at that time. If it fails, the result only
// says whether a bearer token was sent.
func (a *authenticator) authenticate(r *http.Request, at time.Time) (c caller, err error) {
	const want = "send a bearer token, or HTTP Basic with client service id and secret"
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return c, unauthenticated("Authorization is missing, or came more than once: " + want)
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	services := a.services()
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		c, err = a.byToken(r, services, strings.TrimSpace(rest), at)
		c.bearer = true
	case strings.EqualFold(scheme, "Basic"):
		c.client, c.shown, err = a.byBasic(services, basic{credentials: rest, remote: r.RemoteAddr, at: at})
	default:
		err = unauthenticated("Authorization has an unknown scheme: " + want)
	}
	return c, err
}

// byToken returns the client service that a token was issued to, and the secret that it was issued
// for. The secret is zero if it is not known.
func (a *authenticator) byToken(
	r *http.Request, services *clientservice.Services, token string, at time.Time,
) (c caller, err error) {
	own, ours, err := a.tokens.verify(token, time.Now())
	var id string
	switch {
	case err == nil:
		id = own.Subject
	case !ours && a.remote != nil:
		if id, err = a.remote.Verify(r.Context(), token); err != nil {
			return caller{}, err
		}
	default:
		return caller{}, err
	}
	client := services.Lookup(id)
	switch {
	case client == nil:
		return caller{}, signing.Errorf(kindUnknownClient,
			"the client service of the token is not known here, or no longer known")
	case own == nil:
		return caller{client: client}, nil
	}
	shown, err := own.secretOf(client)
	if err != nil {
		return caller{}, err
	}
	c = caller{client: client, shown: shown}
	if own.Forward != nil {
		if c.counted, err = a.acceptForward(r, own, at); err != nil {
			return caller{}, err
		}
		c.forward = own
	}
	return c, nil
}

// basic holds the credentials of HTTP Basic as a request carries them.
type basic struct {
	credentials string // what follows the scheme
	remote      string // address and port of the sender
	at          time.Time
	// formEncoded says that the credentials may be form-encoded: RFC 6749 2.3.1 requires that of
	// clients of the token endpoint, and few do so.
	formEncoded bool
}

// byBasic reads the credentials of HTTP Basic (RFC 7617) and compares them in constant time. It
// returns the client service and the secret that was shown, which is its secret or its previous
// one.
func (a *authenticator) byBasic(services *clientservice.Services, b basic) (
	c *clientservice.ClientService, shown clientservice.Secret, err error,
) {
	id, secret, ok := parseBasic(b.credentials)
	if !ok {
		return nil, shown, unauthenticated("Authorization: Basic does not contain id:secret in base64")
	}
	err = a.brake.Check(limits.NewBrakeKey(b.remote, id), b.at, secret, func() bool {
		c, shown = services.Authenticate(id, secret), clientservice.NewSecret(secret)
		if c == nil && b.formEncoded && strings.ContainsAny(id+secret, "%+") {
			c, shown = byEncoded(services, id, secret)
		}
		return c != nil
	})
	return c, shown, err
}

// byEncoded compares credentials that are form-encoded.
func byEncoded(services *clientservice.Services, id, secret string) (
	*clientservice.ClientService, clientservice.Secret,
) {
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
