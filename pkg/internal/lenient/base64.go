package lenient

import (
	"encoding/base64"
	"strings"
)

// Base64 decodes base64 as services write it: with or without line breaks and padding, in the
// standard or the URL alphabet.
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
