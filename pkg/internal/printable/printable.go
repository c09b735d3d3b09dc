// Package printable makes text from outside fit for logs and answers.
package printable

import (
	"strings"
	"unicode"
)

// Text returns s without what could disturb a reader: control characters, characters that change
// the direction of text and bytes that are not UTF-8 become spaces, and what is longer than limit
// characters is cut.
func Text(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
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
