package providertest

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Outcome is the result of a call and its cost. Outcomes can be compared with ==.
type Outcome struct {
	OK         bool // correct values for the digests
	Bad        bool // wrong values; the caller's check refuses them
	Kind       signing.Kind
	Retry      bool
	RetryAfter time.Duration
	Unknown    bool
	Spent      int // signatures that were made
}

// String describes the outcome for a test failure.
func (o Outcome) String() string {
	switch {
	case o.OK:
		return fmt.Sprintf("signed, %d spent", o.Spent)
	case o.Bad:
		return fmt.Sprintf("values that do not fit, %d spent", o.Spent)
	}
	return fmt.Sprintf("%s, retry %v after %v, unknown %v, %d spent", o.Kind, o.Retry, o.RetryAfter, o.Unknown, o.Spent)
}

// Attempt signs n digests and returns the outcome. spent counts the signatures that the service has
// made so far.
func Attempt(t *testing.T, p signing.Provider, n int, spent func() int) Outcome {
	t.Helper()
	before := spent()
	c, err := p.Credential(t.Context())
	var values [][]byte
	var call signing.Call
	if err == nil {
		call = NewCall(c.Hash, n)
		values, err = p.Sign(t.Context(), call)
	}
	made := spent() - before
	if err == nil {
		wrong := Valid(c, call, values) != nil
		return Outcome{OK: !wrong, Bad: wrong, Spent: made}
	}
	var e *signing.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *signing.Error", err, err)
	}
	if values != nil {
		t.Errorf("Sign returned %d values with its error", len(values))
	}
	return Outcome{Kind: e.Kind, Retry: e.Retry, RetryAfter: e.RetryAfter, Unknown: e.Unknown, Spent: made}
}

// NewCall returns a call with n random digests of a hash.
func NewCall(hash crypto.Hash, n int) signing.Call {
	call := signing.Call{ID: rand.Text(), Digests: make([][]byte, n)}
	for i := range call.Digests {
		call.Digests[i] = make([]byte, hash.Size())
		_, _ = rand.Read(call.Digests[i]) // never fails (crypto/rand)
	}
	return call
}

// Valid returns an error if values are not the signature values of the call's digests.
func Valid(c *signing.Credential, call signing.Call, values [][]byte) error {
	return verify(c, call.Digests, values)
}
