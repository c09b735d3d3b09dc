package lenient

import (
	"encoding/base64"
	"strings"
)

// Base64 reads base64 as services write it: broken into lines, with or without padding, in either
// alphabet.
func Base64(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, text)
	return base64.RawStdEncoding.DecodeString(text)
}
