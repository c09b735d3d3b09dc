// Package printable cleans text from outside so that it can go into logs and answers.
package printable

import (
	"strings"
	"unicode"
)

// Text returns s without anything that could disturb a reader. Control characters, characters that
// change the direction of text, and bytes that are not UTF-8 become spaces. The result has at most
// limit characters.
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
