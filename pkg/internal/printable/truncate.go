package printable

import "unicode/utf8"

// Truncate returns the beginning of s, at most limit bytes. It never cuts a character in two.
func Truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
