package remotetoken

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

const (
	// A valid token is cached for a minute, so that a revocation takes effect after that time. An
	// invalid token is cached for ten seconds, so that a client that repeats it does not cause more
	// requests.
	goodFor = time.Minute
	badFor  = 10 * time.Second
	// maxRemembered bounds the cache to about 2 MB. When it is full, expired verdicts are evicted, and
	// then arbitrary ones.
	maxRemembered = 10_000

	// introspections is how many requests run at the same time, and placeWait is how long a further
	// one waits for its turn. Otherwise a client that sends invented tokens could overload the issuer.
	introspections = 8
	placeWait      = 2 * time.Second

	introspectionTimeout = 15 * time.Second
	maxIntrospection     = 64 << 10
)

// introspector asks the issuer about each token.
type introspector struct {
	url    string
	id     string
	secret func() (string, error)
	http   *http.Client
	places chan struct{} // holds a value for each running request
	client clientauth.Client

	mu         sync.Mutex
	remembered map[[sha256.Size]byte]verdict
	refusal    error             // why the issuer does not accept our id and secret
	refusedAs  [sha256.Size]byte // the secret that it refused
	refusedTil time.Time
}

// verdict is the issuer's answer about a token. Tokens themselves are not stored.
type verdict struct {
	claims claims
	good   bool
	until  time.Time
}

func newIntrospector(c Config, secret func() (string, error)) *introspector {
	return &introspector{
		url: c.Settings.IntrospectionURL, id: c.Settings.ClientID, secret: secret, http: c.HTTP,
		places: make(chan struct{}, introspections), remembered: make(map[[sha256.Size]byte]verdict),
		client: clientauth.Client{Method: c.Settings.ClientAuth},
	}
}

// introspectionAnswer is the answer of RFC 7662 2.2.
type introspectionAnswer struct {
	Active          bool         `json:"active"`
	ClientID        string       `json:"client_id"`
	AuthorizedParty string       `json:"azp"`
	Subject         string       `json:"sub"`
	Issuer          string       `json:"iss"`
	Audience        lenient.List `json:"aud"`
	Expires         json.Number  `json:"exp"` // seconds since 1970
}

func (i *introspector) judge(ctx context.Context, token string) (claims, error) {
	name := sha256.Sum256([]byte(token))
	v, ok := i.recall(name)
	if !ok {
		var err error
		if v, err = i.inTurn(ctx, name, token); err != nil {
			if errors.Is(err, errSettings) {
				return claims{}, err
			}
			return claims{}, fmt.Errorf("%w: %w", errUnjudged, err)
		}
	}
	if !v.good {
		return claims{}, fmt.Errorf("%w: the issuer says that it is not active", errBad)
	}
	return v.claims, nil
}

// inTurn waits for a place and then asks the issuer, unless another request has asked about the
// same token meanwhile.
func (i *introspector) inTurn(ctx context.Context, name [sha256.Size]byte, token string) (verdict, error) {
	patience := time.NewTimer(placeWait)
	defer patience.Stop()
	select {
	case i.places <- struct{}{}:
		defer func() { <-i.places }()
	case <-patience.C:
		return verdict{}, errors.New("too many tokens are being verified")
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	if v, ok := i.recall(name); ok {
		return v, nil
	}
	v, err := i.ask(ctx, token)
	if err == nil {
		i.remember(name, v)
	}
	return v, err
}

func (i *introspector) recall(name [sha256.Size]byte) (verdict, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	v, ok := i.remembered[name]
	return v, ok && time.Now().Before(v.until)
}

func (i *introspector) remember(name [sha256.Size]byte, v verdict) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.remembered) >= maxRemembered {
		now := time.Now()
		for other, old := range i.remembered {
			if !now.Before(old.until) {
				delete(i.remembered, other)
			}
		}
		for other := range i.remembered {
			if len(i.remembered) < maxRemembered {
				break
			}
			delete(i.remembered, other)
		}
	}
	i.remembered[name] = v
}

// ask asks the issuer. It tries each way of sending our secret that the issuer may understand. The
// error is errSettings if the issuer does not accept our id and secret, because that does not
// change before an operator acts. This refusal is cached for a moment, so that many tokens of
// clients do not cause the issuer to lock us out.
func (i *introspector) ask(ctx context.Context, token string) (v verdict, err error) {
	secret, err := i.secret()
	if err != nil {
		return v, fmt.Errorf("%w: %w", errSettings, err)
	}
	shown := sha256.Sum256([]byte(secret))
	if err := i.refused(shown); err != nil {
		return v, err
	}
	i.client.Try(i.id, secret, func(way clientauth.Way) clientauth.Outcome {
		v, err = i.askBy(ctx, way, secret, token)
		switch {
		case err == nil:
			return clientauth.Accepted
		case errors.Is(err, errSettings):
			return clientauth.Refused
		}
		return clientauth.Undecided
	})
	if errors.Is(err, errSettings) {
		i.keepRefusal(shown, err)
	}
	return v, err
}

// refused returns the cached refusal of the same secret; nil if there is none.
func (i *introspector) refused(shown [sha256.Size]byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refusedAs != shown || !time.Now().Before(i.refusedTil) {
		return nil
	}
	return i.refusal
}

func (i *introspector) keepRefusal(shown [sha256.Size]byte, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refusal, i.refusedAs, i.refusedTil = err, shown, time.Now().Add(badFor)
}

// refusal returns errSettings if an answer is about us: 401, 403, or an error of OAuth2 about the
// client (RFC 7662 2.3, RFC 6749 5.2).
func refusal(a *outbound.Answer) error {
	var said struct {
		Code string `json:"error"`
	}
	_ = json.Unmarshal(a.Body, &said) // without a valid body the status decides
	about := said.Code == "invalid_client" || said.Code == "unauthorized_client"
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusBadRequest && about:
		return fmt.Errorf("%w: the introspection endpoint does not accept our client id or secret: status %d",
			errSettings, a.Status)
	}
	return nil
}

// askBy asks the issuer in one way of sending our secret.
func (i *introspector) askBy(ctx context.Context, way clientauth.Way, secret, token string) (v verdict, err error) {
	ctx, cancel := context.WithTimeout(ctx, introspectionTimeout)
	defer cancel()
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	way.AddTo(form, i.id, secret)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(form.Encode()))
	if err != nil {
		return v, fmt.Errorf("ask about token: %w", err)
	}
	way.SetHeader(r, i.id, secret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	outbound.MarkRepeatable(r)
	a, err := outbound.Exchange(i.http, r, maxIntrospection)
	if err != nil {
		return v, fmt.Errorf("ask about token: %w", err)
	}
	if err := refusal(a); err != nil {
		return v, err
	}
	if a.Status != http.StatusOK {
		return v, fmt.Errorf("ask about token: status %d", a.Status)
	}
	var said introspectionAnswer
	if err := json.Unmarshal(a.Body, &said); err != nil {
		return v, fmt.Errorf("ask about token: the answer is not valid JSON")
	}
	return said.verdict(time.Now()), nil
}

func (a introspectionAnswer) verdict(now time.Time) verdict {
	v := verdict{good: a.Active, until: now.Add(badFor), claims: claims{
		clientID: a.ClientID, authorizedParty: a.AuthorizedParty, subject: a.Subject, issuer: a.Issuer, audience: a.Audience,
	}}
	if !a.Active {
		return v
	}
	v.until = now.Add(goodFor)
	if seconds, err := a.Expires.Float64(); err == nil && seconds > 0 && seconds < 1<<40 {
		end := time.Unix(int64(seconds), 0).Add(leeway)
		if end.Before(v.until) {
			v.until = end
		}
		v.good = now.Before(end)
	}
	return v
}
