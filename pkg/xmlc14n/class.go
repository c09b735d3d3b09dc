package xmlc14n

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Classes of ASCII characters.
const (
	spaceChar     = 1 << iota // XML 1.0 production 3
	nameChar                  // XML 1.0 production 4a without the colon
	nameStartChar             // XML 1.0 production 4 without the colon
)

var classes = func() (table [256]uint8) {
	for _, c := range " \t\r\n" {
		table[c] = spaceChar
	}
	for c := range table[:utf8.RuneSelf] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			table[c] = nameChar | nameStartChar
		case c >= '0' && c <= '9', c == '-', c == '.':
			table[c] = nameChar
		}
	}
	return table
}()

// scanNCName returns the index after the name without colon that starts at b[i], or i if there is
// none. A result of len(b) can mean that the name goes on behind b.
func scanNCName(b []byte, i int) int {
	start := i
	for i < len(b) {
		c := b[i]
		switch {
		case classes[c]&nameChar != 0:
			if i == start && classes[c]&nameStartChar == 0 {
				return start
			}
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			if !utf8.FullRune(b[i:]) {
				return len(b)
			}
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 || !isNameRune(r, i == start) {
				return i
			}
			i += size
		}
	}
	return i
}

// nameStartRanges are the ranges beyond ASCII of XML 1.0 production 4.
var nameStartRanges = [][2]rune{
	{0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF}, {0x200C, 0x200D},
	{0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD},
	{0x10000, 0xEFFFF},
}

func isNameRune(r rune, first bool) bool {
	for _, bounds := range nameStartRanges {
		if r >= bounds[0] && r <= bounds[1] {
			return true
		}
	}
	return !first && (r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040)
}

// isChar says whether XML 1.0 production 2 allows the character.
func isChar(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	}
	return r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// Constants for looking at eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// skipPlain returns the index of the first byte of b, from i on, that is not an ordinary ASCII
// character: a control character, one of & < >, or a byte of a longer character.
func skipPlain(b []byte, i int) int {
	for i+8 <= len(b) {
		if hits := special(binary.LittleEndian.Uint64(b[i:])); hits != 0 {
			return i + bits.TrailingZeros64(hits)/8
		}
		i += 8
	}
	for i < len(b) {
		c := b[i]
		if c < 0x20 || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' {
			break
		}
		i++
	}
	return i
}

// special returns a bit in the first of eight bytes at which skipPlain stops, or 0.
func special(x uint64) uint64 {
	// '<' and '>' differ in one bit. A borrow can only produce a false hit above a true one, and the
	// lowest hit decides. A byte with its high bit set is a hit in any case.
	angle := (x | 0x02*ones) ^ '>'*ones
	ampersand := x ^ '&'*ones
	return (x | (x - 0x20*ones) | (angle - ones) | (ampersand - ones)) & highs
}

// skipBlanks returns the index of the first byte of b, from i on, that is no blank, tab or line
// feed.
func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue returns the index of the first byte of b, from i on, that is not an ordinary ASCII
// character of an attribute value: a double quote, or what skipPlain stops at.
func skipValue(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		angle := (x | 0x02*ones) ^ '>'*ones // as in special
		ampersand := x ^ '&'*ones
		quote := x ^ '"'*ones
		hits := (x | (x - 0x20*ones) | (angle - ones) | (ampersand - ones) | (quote - ones)) & highs
		if hits != 0 {
			return i + bits.TrailingZeros64(hits)/8
		}
		i += 8
	}
	for i < len(b) {
		c := b[i]
		if c < 0x20 || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' || c == '"' {
			break
		}
		i++
	}
	return i
}
