package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// leeway is how far clocks of instances may differ.
const leeway = 30 * time.Second

// tokenKey is a key that signs tokens, or that has signed them before it was replaced.
type tokenKey struct {
	key     []byte
	id      string    // part of the key's digest; it is not secret which key made a token
	retired time.Time // when another key replaced it; zero while it signs
}

func newTokenKey(key []byte) tokenKey {
	digest := sha256.Sum256(append([]byte("signstash token key id\x00"), key...))
	return tokenKey{key: bytes.Clone(key), id: hex.EncodeToString(digest[:8])}
}

// covers reports whether this service can have issued a token with that time and lifetime by this
// key. A key is often replaced because somebody else may know it. Somebody who knows it can still
// write any time into a token, so this check only bounds the damage: a token of the old key is
// invalid one lifetime after the change at the latest.
//
// An instance that reads the new key later than this one goes on issuing tokens that this one
// refuses. Clients answer a 401 by asking for a new token, as they do for tokens of the new key at
// the slower instance.
//
// Forward tokens are made by instances for each other, and nobody asks for a new one. They are
// accepted for as long as an instance may take to read the new key.
func (k tokenKey) covers(c *claims, lifetime time.Duration) bool {
	last := k.retired
	if c.Forward != nil {
		last = last.Add(mountDelay + leeway)
	}
	return k.retired.IsZero() || !c.IssuedAt.After(last) && c.ExpiresAt.Sub(c.IssuedAt.Time) <= lifetime
}

// sign returns a token with these claims.
func (k tokenKey) sign(c claims) (string, error) {
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	unsigned.Header["kid"] = k.id
	return unsigned.SignedString(k.key)
}

// secretDigestBytes is 128 bits of HMAC-SHA256. That is enough that nobody finds another secret
// with the same digest, and the token stays short.
const secretDigestBytes = 16

// secretDigest returns the digest of the secret that goes into a token. It is keyed, so that nobody
// can test guesses of the secret with a leaked token.
func (k tokenKey) secretDigest(clientService string, secret clientservice.Secret) string {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte("signstash token secret\x00" + clientService + "\x00"))
	secret.HashInto(mac)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:secretDigestBytes])
}

// secretOf returns the one of the client service's two secrets that has the digest; zero if neither
// has it.
func (k tokenKey) secretOf(digest string, c *clientservice.ClientService) clientservice.Secret {
	for _, s := range []clientservice.Secret{c.Secret, c.PreviousSecret} {
		if hmac.Equal([]byte(digest), []byte(k.secretDigest(c.ID, s))) {
			return s
		}
	}
	return clientservice.Secret{}
}

// tokenKeys holds the key that signs, and the previous keys whose tokens have not expired. Safe for
// concurrent use.
type tokenKeys struct {
	lifetime time.Duration // of tokens

	mu   sync.Mutex
	keys []tokenKey // the signing key is the first
}

func newTokenKeys(key []byte, lifetime time.Duration) *tokenKeys {
	return &tokenKeys{keys: []tokenKey{newTokenKey(key)}, lifetime: lifetime}
}

// set makes key the one that signs. Previous keys are kept for as long as their tokens may be
// valid. They are kept in memory only, so a restart forgets them.
func (t *tokenKeys) set(key []byte, now time.Time) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := newTokenKey(key)
	if t.keys[0].id == next.id {
		return false
	}
	t.keys[0].retired = now
	keys := []tokenKey{next}
	for _, k := range t.keys {
		if k.id != next.id && now.Before(k.retired.Add(t.lifetime+leeway)) {
			keys = append(keys, k)
		}
	}
	t.keys = keys
	return true
}

// signing returns the key that signs.
func (t *tokenKeys) signing() tokenKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keys[0]
}

// find returns the key with that id, unless all of its tokens have expired.
func (t *tokenKeys) find(id any, now time.Time) (tokenKey, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.keys {
		if k.id == id && (k.retired.IsZero() || now.Before(k.retired.Add(t.lifetime+leeway))) {
			return k, true
		}
	}
	return tokenKey{}, false
}
