package printable

import "unicode/utf8"

// Truncate returns the beginning of s: whole characters that take at most limit bytes.
func Truncate(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
