package hotfolder

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textOf returns a name as a text without control characters. Different names have different texts.
// What cannot be shown, and "%", becomes % and two hexadecimal digits for each byte.
func textOf(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if r == '%' || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			for _, c := range []byte(name[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(name[i : i+n])
		}
		i += n
	}
	return b.String()
}

// maxNameBytes is the longest name of a file on the usual file systems.
const maxNameBytes = 255

// withSuffix returns a name with a suffix. It cuts a name that would be too long, inside of a
// character at worst.
func withSuffix(name, suffix string) string {
	return name[:min(len(name), maxNameBytes-len(suffix))] + suffix
}
