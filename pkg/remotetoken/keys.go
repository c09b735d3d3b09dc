package remotetoken

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/fresh"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

const (
	// keysFor is how long published keys are used before they are read again.
	keysFor = time.Hour
	// keysStale is how long old keys are used while the issuer does not answer.
	keysStale = 24 * time.Hour
	// keysPause is the time between two requests after a failure, and between two requests because of
	// an unknown key. Otherwise tokens with invented key ids could cause endless requests.
	keysPause = 30 * time.Second
	// keysTimeout and maxKeySet bound the time and the bytes of the answer. maxKeys bounds the keys
	// that are used.
	keysTimeout = 15 * time.Second
	maxKeySet   = 256 << 10
	maxKeys     = 64
	// RSA keys below 2,048 bits are not safe. Keys above 8,192 bits are slow and no safer.
	minRSABits, maxRSABits = 2048, 8192
)

// algorithms are the accepted algorithms, all with public keys. With "none" or HMAC anybody could
// make tokens.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}

// key is a public key of the issuer.
type key struct {
	id, algorithm string // "" = the key set does not say
	public        crypto.PublicKey
}

// keys verifies tokens by the issuer's published keys. Safe for concurrent use.
type keys struct {
	url    string
	http   *http.Client
	known  *fresh.Value[[]key]
	parser *jwt.Parser

	mu     sync.Mutex
	forced time.Time // when an unknown key last caused a request
}

func newKeys(c Config) *keys {
	k := &keys{url: c.Settings.JWKSURL, http: c.HTTP}
	k.parser = jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway))
	k.known = fresh.New(fresh.Config[[]key]{
		Ask: k.ask, For: keysFor, Pause: keysPause,
		StillGood: func(_ []key, age time.Duration, err error) bool {
			if err != nil {
				c.Log.Info("could not read keys of the remote service", "reason", err.Error())
			}
			return age < keysStale
		},
	})
	return k
}

// tokenClaims are the claims of RFC 7519 and RFC 9068 that are used.
type tokenClaims struct {
	jwt.RegisteredClaims
	ClientID        string `json:"client_id"`
	AuthorizedParty string `json:"azp"`
}

func (k *keys) judge(ctx context.Context, token string) (claims, error) {
	var c tokenClaims
	_, err := k.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) { return k.find(ctx, t) })
	switch {
	case errors.Is(err, errUnjudged):
		return claims{}, err
	case err != nil:
		return claims{}, fmt.Errorf("%w: %w", errBad, err)
	}
	return claims{
		clientID:        c.ClientID,
		authorizedParty: c.AuthorizedParty,
		subject:         c.Subject,
		issuer:          c.Issuer,
		audience:        c.Audience,
	}, nil
}

// find returns the keys that may have signed a token.
func (k *keys) find(ctx context.Context, t *jwt.Token) (any, error) {
	if t.Header["crit"] != nil { // RFC 7515 4.1.11: the token needs an extension that is not supported
		return nil, errors.New("critical extension")
	}
	id, _ := t.Header["kid"].(string)
	for try := 1; ; try++ {
		get := k.known.Get
		if try == 2 { // only tokens with an unknown key wait for a new key set
			get = func(ctx context.Context) ([]key, error) { return k.known.Newest(ctx, k.mayAsk()) }
		}
		all, err := get(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUnjudged, err)
		}
		var set jwt.VerificationKeySet
		for _, candidate := range all {
			if (id == "" || candidate.id == id) && candidate.fits(t.Method.Alg()) {
				set.Keys = append(set.Keys, candidate.public)
			}
		}
		if len(set.Keys) > 0 {
			return set, nil
		}
		if try == 2 {
			return nil, errors.New("signed with a key that its issuer does not publish")
		}
	}
}

// mayAsk reports whether the issuer may be asked again because of an unknown key.
func (k *keys) mayAsk() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.forced) < keysPause {
		return false
	}
	k.forced = time.Now()
	return true
}

// curves are the curves by their names in a JWK (RFC 7518 6.2.1.1). curveAlgorithms are the
// algorithms that they are used with (RFC 7518 3.4).
var (
	curves = map[string]elliptic.Curve{
		"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(),
	}
	curveAlgorithms = map[elliptic.Curve]string{
		elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512",
	}
)

// fits reports whether the key may be used with an algorithm (RFC 7518 3.1): for ES256 and similar
// algorithms the curve must match too.
func (k key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return algorithm[0] == 'R' || algorithm[0] == 'P'
	case *ecdsa.PublicKey:
		return algorithm == curveAlgorithms[public.Curve]
	}
	return false
}

// ask reads the key set from the issuer.
func (k *keys) ask(ctx context.Context) ([]key, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for keys: %w", err)
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	a, err := outbound.Exchange(k.http, r, maxKeySet)
	if err != nil {
		return nil, fmt.Errorf("ask for keys: %w", err)
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("ask for keys: status %d", a.Status)
	}
	all, err := parseKeys(a.Body)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	return all, nil
}

// webKey is a JSON Web Key (RFC 7517 4, RFC 7518 6).
type webKey struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	N         string `json:"n"`
	E         string `json:"e"`
}

// parseKeys returns the public signature keys of a set and ignores other keys (RFC 7517 5). A set
// without signature keys is an error.
func parseKeys(body []byte) ([]key, error) {
	var set struct {
		Keys []webKey `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	var all []key
	for _, w := range set.Keys {
		if w.Use != "" && w.Use != "sig" || len(all) == maxKeys {
			continue
		}
		var public crypto.PublicKey
		var err error
		switch w.Type {
		case "RSA":
			public, err = w.rsa()
		case "EC":
			public, err = w.ec()
		default:
			continue
		}
		if err == nil {
			all = append(all, key{id: w.ID, algorithm: w.Algorithm, public: public})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no key to verify signatures with")
	}
	return all, nil
}

func (w webKey) rsa() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(w.N)
	if err != nil {
		return nil, err
	}
	e, err := base64.RawURLEncoding.DecodeString(w.E)
	if err != nil {
		return nil, err
	}
	k := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits || len(e) > 4 {
		return nil, errors.New("key size is not supported")
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent < 3 || exponent > 1<<31-1 || exponent%2 == 0 {
		return nil, errors.New("exponent is not supported")
	}
	k.E = int(exponent)
	return k, nil
}

func (w webKey) ec() (*ecdsa.PublicKey, error) {
	curve, ok := curves[w.Curve]
	if !ok {
		return nil, errors.New("curve is not supported")
	}
	x, err := base64.RawURLEncoding.DecodeString(w.X)
	if err != nil {
		return nil, err
	}
	y, err := base64.RawURLEncoding.DecodeString(w.Y)
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size { // RFC 7518 6.2.1.2
		return nil, errors.New("coordinates have the wrong size")
	}
	point := append([]byte{4}, x...) // SEC 1 2.3.3, uncompressed
	return ecdsa.ParseUncompressedPublicKey(curve, append(point, y...))
}
