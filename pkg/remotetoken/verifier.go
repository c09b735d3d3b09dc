package remotetoken

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Settings say how tokens are verified. Exactly one of JWKSURL and IntrospectionURL is set.
type Settings struct {
	// JWKSURL is where the issuer publishes its keys.
	JWKSURL string `yaml:"jwksURL"`
	// IntrospectionURL is the issuer's introspection endpoint. The proxy authenticates there with
	// ClientID and the secret in ClientSecretFile.
	IntrospectionURL string `yaml:"introspectionURL"`
	ClientID         string `yaml:"clientID"`
	ClientSecretFile string `yaml:"clientSecretFile"`
	// ClientAuth says how the proxy sends them: basic (HTTP Basic; the default) or form (client_id and
	// client_secret).
	ClientAuth clientauth.Method `yaml:"clientAuth"`
	// Each token must name Issuer and Audience. Empty = not checked. Set Audience if the issuer serves
	// other services too, because otherwise their tokens are valid here.
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s Settings) Validate() error {
	var bad []error
	if (s.JWKSURL == "") == (s.IntrospectionURL == "") {
		bad = append(bad, errors.New("jwksURL and introspectionURL: exactly one must be set"))
	}
	for name, v := range map[string]string{"jwksURL": s.JWKSURL, "introspectionURL": s.IntrospectionURL} {
		u, err := url.Parse(v)
		if v != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
			bad = append(bad, fmt.Errorf("%s: %q is not an http or https URL", name, v))
		}
	}
	if s.IntrospectionURL != "" && (s.ClientID == "" || s.ClientSecretFile == "") {
		bad = append(bad, errors.New("introspectionURL: needs clientID and clientSecretFile"))
	}
	if err := s.ClientAuth.Validate("clientAuth"); err != nil {
		bad = append(bad, err)
	}
	return errors.Join(bad...)
}

// Config is what a Verifier needs.
type Config struct {
	Settings Settings
	// HTTP is the client for every call (pkg/outbound).
	HTTP *http.Client
	// Log gets messages for the operator. They contain no token.
	Log logr.Logger
}

// Verifier verifies tokens. It is safe for concurrent use and starts no goroutine.
type Verifier struct {
	judge func(ctx context.Context, token string) (claims, error)
	set   Settings
	log   logr.Logger
}

// maxToken bounds a token, in bytes. A longer token does not fit into the headers that most servers
// accept.
const maxToken = 16 << 10

// leeway is how far the clocks of the issuer and of the proxy may differ.
const leeway = 30 * time.Second

// New returns a Verifier. It makes no request yet. The error lists every mistake in c.
func New(c Config) (*Verifier, error) {
	err := c.Settings.Validate()
	if c.HTTP == nil {
		err = errors.Join(err, errors.New("an HTTP client is needed"))
	}
	if err != nil {
		return nil, err
	}
	v := &Verifier{set: c.Settings, log: c.Log}
	if c.Settings.JWKSURL != "" {
		v.judge = newKeys(c).judge
		return v, nil
	}
	secret := func() (string, error) { return secretfile.Read(c.Settings.ClientSecretFile) }
	v.judge = newIntrospector(c, secret).judge
	return v, nil
}

// claims are the claims of a valid token.
type claims struct {
	clientID, authorizedParty, subject string
	issuer                             string
	audience                           []string
}

var (
	// errBad is the error for an invalid token. Clients do not learn what is wrong with it; only the
	// log says so.
	errBad = errors.New("token is not valid")
	// errUnjudged is the error for a token that cannot be verified at the moment.
	errUnjudged = errors.New("token cannot be verified at the moment")
	// errSettings is the error for a token that cannot be verified until the settings are changed.
	errSettings = errors.New("token cannot be verified with these settings")
)

// retryAfter is sent to a client whose token cannot be verified at the moment.
const retryAfter = 5 * time.Second

// Verify returns the id of the client service that token was issued to: its client_id, azp or sub,
// in this order of preference. The error is a *signing.Error: KindUnauthenticated if the token is
// not valid, KindBusy if the issuer is not reachable, KindConfiguration if the issuer does not
// accept the proxy's own id and secret.
func (v *Verifier) Verify(ctx context.Context, token string) (string, error) {
	id, err := v.verify(ctx, token)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, errBad):
		return "", signing.Errorf(signing.KindUnauthenticated, "the token is expired or not valid").Because(err)
	}
	if errors.Is(err, errSettings) {
		v.log.Error(err, "tokens of the remote service cannot be verified with these settings")
		return "", signing.Errorf(signing.KindConfiguration,
			"the settings for tokens of the remote service do not work").Because(err)
	}
	v.log.Info("could not verify a token of the remote service", "reason", err.Error())
	busy := signing.Errorf(signing.KindBusy, "the token cannot be verified at the moment").Retryable(retryAfter)
	return "", busy.Because(err)
}

func (v *Verifier) verify(ctx context.Context, token string) (string, error) {
	if token == "" || len(token) > maxToken ||
		strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%w: does not look like a token", errBad)
	}
	c, err := v.judge(ctx, token)
	if err != nil {
		return "", err
	}
	if v.set.Issuer != "" && c.issuer != v.set.Issuer {
		return "", fmt.Errorf("%w: of another issuer", errBad)
	}
	if v.set.Audience != "" && !slices.Contains(c.audience, v.set.Audience) {
		return "", fmt.Errorf("%w: for another audience", errBad)
	}
	for _, id := range []string{c.clientID, c.authorizedParty, c.subject} {
		if id != "" {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: names no client", errBad)
}
