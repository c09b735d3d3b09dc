package clientservice

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
	"log/slog"
)

// hidden stands for a secret wherever one would be printed.
const hidden = "[secret]"

// Secret is a client service's password. It shows itself to no log, no format verb and no JSON
// encoder; Reveal is the one way to its value. The zero Secret is "none": it matches nothing.
// Secrets are immutable and safe for concurrent use.
type Secret struct {
	// A pointer, because fmt cannot call methods on unexported fields of other structs: there it
	// prints an address, not the text.
	value *string
}

// NewSecret wraps value; an empty value gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// IsZero reports whether there is no secret. The JSON option omitzero uses it.
func (s Secret) IsZero() bool { return s.value == nil }

// Reveal returns the secret itself. It is for writing the configuration file and for authenticating
// at the remote service in the client service's name, and for nothing else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// HashInto writes the secret into h, for a digest that says which secret something was made with.
func (s Secret) HashInto(h hash.Hash) { _, _ = h.Write([]byte(s.Reveal())) } // a hash.Hash never fails

// Matches reports whether s is set and equals given, in a time that tells nothing of either value
// or their lengths.
func (s Secret) Matches(given string) bool {
	want, got := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(given))
	equal := subtle.ConstantTimeCompare(want[:], got[:])
	return equal == 1 && !s.IsZero()
}

// Equal reports whether s and t are the same secret. It makes Secrets comparable in tests; use
// Matches to authenticate.
func (s Secret) Equal(t Secret) bool {
	return s.IsZero() == t.IsZero() && (s.IsZero() || s.Matches(t.Reveal()))
}

// String hides the value.
func (s Secret) String() string { return hidden }

// GoString hides the value.
func (s Secret) GoString() string { return hidden }

// Format hides the value, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the value from every encoder: Encode writes secrets by Reveal.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalLog hides the value from logr.
func (s Secret) MarshalLog() any { return hidden }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
