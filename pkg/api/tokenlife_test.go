package api_test

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// setSecrets gives the harness a client file in which alice has these secrets; an empty secret
// removes her.
func (h *harness) setSecrets(secret, previous string) {
	h.t.Helper()
	all := []clientservice.ClientService{{ID: bob, Secret: clientservice.NewSecret(bobSecret)}}
	if secret != "" {
		all = append(all, clientservice.ClientService{
			ID: alice, Secret: clientservice.NewSecret(secret), PreviousSecret: clientservice.NewSecret(previous),
		})
	}
	services, err := clientservice.NewServices(all...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.services = services
}

// tokenIs fails the test unless a token is accepted (code is empty) or refused with code.
func (h *harness) tokenIs(what, token, code string) {
	h.t.Helper()
	resp := h.do(request{path: known, auth: "Bearer " + token})
	if code == "" && resp.Code != http.StatusNotFound ||
		code != "" && (resp.Code != http.StatusUnauthorized || resp.at("errorCode") != code) {
		h.t.Errorf("%s = %d %.200s, want it accepted, or refused with %q", what, resp.Code, resp.text, code)
	}
}

// TestTokenDiesWithItsSecret checks that a token is accepted while the secret that it was issued
// for is the client service's secret or its previous one.
func TestTokenDiesWithItsSecret(t *testing.T) {
	h := newHarness(t, nil)
	old := token(h, "")
	h.tokenIs("a token of the secret", old, "")
	h.setSecrets("new", aliceSecret)
	h.tokenIs("a token of the previous secret", old, "")
	late := token(h, basic(alice, aliceSecret))
	h.tokenIs("a token that was issued for the previous secret", late, "")
	next := token(h, basic(alice, "new"))
	h.tokenIs("a token of the new secret", next, "")
	h.setSecrets("new", "")
	h.tokenIs("a token of a secret that is gone", old, "0.0.10")
	h.tokenIs("a token that was issued for a secret while it was the previous one", late, "0.0.10")
	h.tokenIs("a token of the secret that stays", next, "")

	h.setSecrets("", "")
	h.tokenIs("a token of a client service that is gone", next, "1.1.0")
	h.setSecrets("made again", "")
	h.tokenIs("a token of a client service that was made again", next, "0.0.10")
	h.tokenIs("an older token of it", old, "0.0.10")
	h.setSecrets("x", "new")
	h.tokenIs("a token whose secret is in force again", next, "")
}

// TestTokenOfAnEncodedSecret checks that a client which form-encodes its secret, as RFC 6749 2.3.1
// requires, gets a token for the decoded secret.
func TestTokenOfAnEncodedSecret(t *testing.T) {
	h := newHarness(t, nil)
	encoded := token(h, basic(url.QueryEscape(alice), url.QueryEscape(aliceSecret)))
	h.tokenIs("a token of an encoded secret", encoded, "")
	h.setSecrets("new", "")
	h.tokenIs("a token of an encoded secret that is gone", encoded, "0.0.10")
}

// forge signs the claims of a token again after change, with the key and the key id that the token
// has.
func forge(t *testing.T, token string, key []byte, change func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser().ParseUnverified(token, claims)
	if err != nil {
		t.Fatal(err)
	}
	change(claims)
	forged := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	forged.Header["kid"] = parsed.Header["kid"]
	text, err := forged.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTokenOfAnEarlierRelease checks that tokens without a digest of the secret are accepted.
// Instances of an earlier release issue them during an upgrade.
func TestTokenOfAnEarlierRelease(t *testing.T) {
	h := newHarness(t, nil)
	h.tokenIs("a token without a digest",
		forge(t, token(h, ""), h.cfg.TokenKey, func(c jwt.MapClaims) { delete(c, "secret") }), "")
	h.tokenIs("a token with another digest",
		forge(t, token(h, ""), h.cfg.TokenKey, func(c jwt.MapClaims) { c["secret"] = "AAAAAAAAAAAAAAAAAAAAAA" }), "0.0.10")
}

// TestTokenOfAReplacedKey checks that only tokens which the previous key signed before the change
// are accepted.
func TestTokenOfAReplacedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.cfg.TokenLifetime = time.Hour })
		time.Sleep(time.Minute)
		before := token(h, "")
		issued := time.Now()
		times := func(from time.Time, lifetime time.Duration) string {
			return forge(t, before, h.cfg.TokenKey,
				func(c jwt.MapClaims) { c["iat"], c["exp"] = from.Unix(), from.Add(lifetime).Unix() })
		}
		time.Sleep(10 * time.Second)
		h.api.SetTokenKey(bytes.Repeat([]byte("n"), 32))
		time.Sleep(2 * time.Second)
		h.tokenIs("a token from before the change", before, "")
		h.tokenIs("a token from after the change", times(time.Now(), time.Hour), "0.0.10")
		h.tokenIs("a token from just after the change", times(time.Now().Add(-time.Second), time.Hour), "0.0.10")
		h.tokenIs("a token from before the change with too long a lifetime", times(issued, time.Hour+time.Second), "0.0.10")
		h.tokenIs("a token from before the change with a shorter lifetime", times(issued, time.Minute), "")
		h.tokenIs("a token without a time of issue",
			forge(t, before, h.cfg.TokenKey, func(c jwt.MapClaims) { delete(c, "iat") }), "0.0.10")
		time.Sleep(time.Hour + 30*time.Second) // 30 s is the leeway for clocks
		h.tokenIs("an expired token from before the change", before, "0.0.10")
		h.tokenIs("a token with the latest accepted time", times(issued.Add(10*time.Second), time.Hour), "0.0.10")
	})
}

// TestTokenLivesNoLongerThanConfigured checks that a token with a later expiry, signed with the
// current key, expires after the configured lifetime.
func TestTokenLivesNoLongerThanConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.cfg.TokenLifetime = time.Hour })
		long := forge(t, token(h, ""), h.cfg.TokenKey,
			func(c jwt.MapClaims) { c["exp"] = time.Now().Add(24 * time.Hour).Unix() })
		h.tokenIs("a token of an instance with another lifetime", long, "")
		time.Sleep(time.Hour + time.Minute)
		h.tokenIs("that token after the lifetime of this instance", long, "0.0.10")
		h.tokenIs("a token without a time of issue",
			forge(t, token(h, ""), h.cfg.TokenKey, func(c jwt.MapClaims) { delete(c, "iat") }), "0.0.10")
	})
}
