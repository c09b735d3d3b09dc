package appearance

import (
	"unicode"

	"github.com/go-text/typesetting/language"
)

// Invisible characters that change how their neighbours are drawn.
const (
	zeroWidthNonJoiner = 0x200c
	zeroWidthJoiner    = 0x200d
	graphemeJoiner     = 0x034f
	firstStrongIsolate = 0x2068
	popIsolate         = 0x2069
)

// kept reports whether a character takes part in the layout. Control and formatting characters do
// only if they join or separate their neighbours or change their direction. Dropping the others
// changes nothing visible.
func kept(r rune) bool {
	return !unicode.IsControl(r) &&
		(!unicode.Is(unicode.Cf, r) || r == zeroWidthJoiner || r == zeroWidthNonJoiner || turning(r))
}

// turning reports whether r is a mark, embedding, override or isolate of the bidirectional
// algorithm (UAX #9, 2).
func turning(r rune) bool {
	return unicode.Is(unicode.Bidi_Control, r)
}

// invisible reports whether a character is drawn without a glyph, so that a font need not have it.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || r == graphemeJoiner
}

// scriptOf returns the script of a character. It is Common for a character that several scripts
// share.
func scriptOf(r rune) language.Script {
	s := language.LookupScript(r)
	if !s.Strong() {
		return language.Common
	}
	return s
}

// plain reports whether a script needs no shaping when a built-in font draws it.
func plain(s language.Script) bool {
	switch s {
	case language.Latin, language.Greek, language.Cyrillic, language.Common:
		return true
	}
	return false
}

// breaksAnywhere reports whether lines break at a character by the rules of UAX #14, and not only
// at blanks.
func breaksAnywhere(r rune) bool {
	switch s := scriptOf(r); s {
	case language.Common: // punctuation of Chinese, Japanese and Korean; full-width forms
		return r >= 0x3000 && r <= 0x30ff || r >= 0xff00 && r <= 0xffef
	default:
		return !plain(s)
	}
}
