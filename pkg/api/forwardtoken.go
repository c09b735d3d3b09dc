package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// Instances ask each other in the name of a client. The address of a peer comes from a file. It may
// be wrong, or may belong to another pod by now. Therefore the client's own credentials are never
// sent to it. A forward token is sent instead. It is signed with the shared token key and names the
// client service. It is valid for one request (method, path and query) at one instance, once, for
// half a minute. Somebody who steals it can send the same request to that instance, and nothing
// else.
//
//   - It proves to the peer that another instance asks, and that this instance has counted the
//     request against the client's rate. Without the token, the headers X-Signstash-Forwarded and
//     X-Signstash-Target do not affect the rate, because any client can send them.
//   - The peer proves itself too: its answer carries an HMAC by the same key over the token's id,
//     the peer's name and the status (affinity.ProofHeader). The id is the challenge, so this costs
//     no further exchange. It proves its state folder in the same way (affinity.StateHeader), so
//     that an instance with a new, empty folder at the address of another one is noticed. A
//     document is only sent after the peer has answered the question for its Idempotency-Key, and a
//     DELETE after a probe.
//   - The peers file may still name an earlier run of the asked instance. A later run with the same
//     ordinal and state folder accepts the token (affinity.Identity), because it holds what the
//     earlier run stored. So whoever gets such a token at the former address can use it once at the
//     instance, like somebody who steals it. A program with another state folder refuses it.
//   - An instance of an earlier release reads the token like one of the token endpoint, and
//     answers. It gives no proof, and its answer is accepted without one (see proofs.check of
//     pkg/affinity). While it has given no proof, a token for a request that changes something is
//     marked (Unproved). Instances of this release refuse such a token, so that an attacker who
//     pretends to be an instance of an earlier release cannot use it here. In turn, an instance of
//     an earlier release passes on the client's own credentials. They are accepted, and the request
//     is counted like any other.
//   - Clocks of instances may differ by leeway. A token that was used is remembered for as long as
//     it could be used again.
//   - If no key is shared, a certificate that chains to the authorities of --affinity.peers.ca-file
//     is the proof, and the client's credentials are passed on over that connection. Without a key
//     and such a certificate, no other instance is asked, and the answer is 503 with the reason.
//
// This does not protect against somebody between two instances who reads and changes their
// messages. TLS does.

// forwardLifetime is how long a forward token is valid. It is short because the token is used at
// once.
const forwardLifetime = 30 * time.Second

// mountDelay is how long a kubelet may take to update a mounted file. During that time an instance
// may still sign forward tokens with the previous key.
const mountDelay = 2 * time.Minute

// forwardClaims make a token a forward token.
type forwardClaims struct {
	Instance string `json:"instance,omitempty"` // run of the asked instance, by the peers file
	Name     string `json:"name"`               // of that instance
	Request  string `json:"request"`            // digest of method, path and query
	// Unproved says that the instance that is asked has not proved itself, and that the request
	// changes something.
	Unproved bool `json:"unproved,omitempty"`
}

// requestDigest returns the digest of a request. It collapses slashes and decodes escapes, because
// an intermediary between two instances may do so too.
func requestDigest(method string, u *url.URL) string {
	digest := sha256.Sum256([]byte(method + "\x00" + collapse(u.Path) + "\x00" + u.RawQuery))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// answerProof returns the proof that the instance of that name has answered with that status the
// request whose forward token has that id.
func (k tokenKey) answerProof(id, instance string, status int) string {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte("signstash peer answer\x00" + id + "\x00" + instance + "\x00" + strconv.Itoa(status)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// stateProof returns the proof that the instance of that name has answered the request whose
// forward token has that id, and has the state folder of that identity.
func (k tokenKey) stateProof(id, instance, state string) string {
	mac := hmac.New(sha256.New, k.key)
	mac.Write([]byte("signstash peer state\x00" + id + "\x00" + instance + "\x00" + state))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// issueForward returns a forward token for a client service that has shown secret (zero if it has
// shown none), and the check of the proof on the answer.
func (t *tokens) issueForward(client string, secret clientservice.Secret, ask affinity.Ask, now time.Time) (
	affinity.Pass, error,
) {
	id, key := rand.Text(), t.keys.signing()
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{tokenAudience}, Subject: client, ID: id,
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(forwardLifetime)),
		},
		Scope: tokenScope,
		Forward: &forwardClaims{
			Instance: ask.To.Instance, Name: ask.To.Name, Request: requestDigest(ask.Method, ask.URL),
			Unproved: !ask.Proved && changes(ask.Method),
		},
	}
	if !secret.IsZero() {
		c.Secret = key.secretDigest(client, secret)
	}
	token, err := key.sign(c)
	return affinity.Pass{
		Authorization: "Bearer " + token,
		Proves: func(status int, proof string) bool {
			return hmac.Equal([]byte(proof), []byte(key.answerProof(id, ask.To.Name, status)))
		},
		ProvesState: func(state, proof string) bool {
			return hmac.Equal([]byte(proof), []byte(key.stateProof(id, ask.To.Name, state)))
		},
	}, err
}

func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// acceptForward checks that a forward token was made for this request. counted reports that the
// token proves that another instance has counted the request against the client's rate.
func (a *authenticator) acceptForward(r *http.Request, c *claims, at time.Time) (counted bool, err error) {
	f := c.Forward
	switch {
	case !a.isHere(f), !affinity.Forwarded(r), f.Request != requestDigest(r.Method, r.URL),
		c.ExpiresAt.Sub(c.IssuedAt.Time) > forwardLifetime:
		return false, unauthenticated("the token was made for another request")
	case f.Unproved && changes(r.Method):
		return false, unauthenticated("the token was made for an instance that has not proved itself")
	}
	known, noted := a.used.note(c.ID, at)
	if known {
		return false, unauthenticated("the token was used before")
	}
	return noted, nil
}

// isFor reports whether a forward token was made for the instance of that identity and name. It
// compares the runs if both sides know one, else the name.
func (f *forwardClaims) isFor(identity *affinity.Identity, name string) bool {
	if identity.Known() && f.Instance != "" {
		return identity.Is(f.Instance)
	}
	return f.Name == name
}

// prove adds the proofs of this instance and of its state folder to the headers of an answer for a
// peer. An empty state is not known and not proved.
func (c *caller) prove(h http.Header, status int, state string) {
	if c.forward == nil {
		return
	}
	name, f := h.Get(affinity.InstanceHeader), c.forward
	h.Set(affinity.ProofHeader, f.key.answerProof(f.ID, name, status))
	if state != "" {
		h.Set(affinity.StateHeader, state+" "+f.key.stateProof(f.ID, name, state))
	}
}
