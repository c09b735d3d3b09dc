package clientservice

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
	"log/slog"
)

// hidden is printed in place of a secret.
const hidden = "[secret]"

// Secret is the password of a client service. Logs, format verbs and JSON encoders never print it;
// only Reveal returns its value. The zero Secret means that there is no secret, and matches
// nothing. Secrets are immutable and safe for concurrent use.
type Secret struct {
	// A pointer, because fmt cannot call the methods of an unexported field of another struct. It then
	// prints an address and not the text.
	value *string
}

// NewSecret returns value as a Secret. An empty value gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// IsZero reports whether there is no secret. The JSON option omitzero uses it.
func (s Secret) IsZero() bool { return s.value == nil }

// Reveal returns the value. Use it only to write the configuration file and to authenticate at the
// remote service on behalf of the client service.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// HashInto writes the secret into h, for a digest that identifies the secret that something was
// made with.
func (s Secret) HashInto(h hash.Hash) { _, _ = h.Write([]byte(s.Reveal())) } // a hash.Hash never fails

// Matches reports whether s is set and equals given. Its time does not depend on either value or
// their lengths.
func (s Secret) Matches(given string) bool {
	want, got := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(given))
	equal := subtle.ConstantTimeCompare(want[:], got[:])
	return equal == 1 && !s.IsZero()
}

// Equal reports whether s and t are the same secret. It is for tests. Use Matches to authenticate.
func (s Secret) Equal(t Secret) bool {
	return s.IsZero() == t.IsZero() && (s.IsZero() || s.Matches(t.Reveal()))
}

// String hides the value.
func (s Secret) String() string { return hidden }

// GoString hides the value.
func (s Secret) GoString() string { return hidden }

// Format hides the value for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the value from every encoder. Encode calls Reveal to write a secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalLog hides the value from logr.
func (s Secret) MarshalLog() any { return hidden }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
