package certchain

import (
	"crypto/x509/pkix"
	"strings"
	"unicode"
)

// maxName bounds a name in a message, in characters.
const maxName = 200

// Name returns a distinguished name in the form of RFC 4514, without control characters and of at most 200 characters.
func Name(n pkix.Name) string { return Clean(n.String(), maxName) }

// Clean returns text from outside in a form that can be logged or sent to a client: control characters, characters that change the
// direction of text, and bytes that are not UTF-8 become spaces, and what is longer than limit characters is cut.
func Clean(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == limit {
			b.WriteString("…")
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}
