package pdf

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bytes returns a byte string object.
func Bytes(b []byte) String { return String{Value: string(b)} }

// Text returns a text string (ISO 32000-2 7.9.2.2). Plain ASCII stays as it is; any other text
// becomes UTF-16BE with a byte order mark.
func Text(s string) String {
	plain := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x7f || s[i] < 0x20 && s[i] != '\n' && s[i] != '\r' && s[i] != '\t' {
			plain = false
			break
		}
	}
	if plain {
		return String{Value: s}
	}
	var b strings.Builder
	b.WriteString("\xfe\xff")
	for _, u := range utf16.Encode([]rune(s)) {
		b.WriteByte(byte(u >> 8))
		b.WriteByte(byte(u))
	}
	return String{Value: b.String()}
}

// Text decodes a text string: UTF-16 or UTF-8 if it starts with a byte order mark, and else
// PDFDocEncoding.
func (s String) Text() string {
	switch v := s.Value; {
	case strings.HasPrefix(v, "\xfe\xff"):
		return decodeUTF16(v[2:], 1, 0)
	case strings.HasPrefix(v, "\xff\xfe"): // not in the standard, but some writers use it
		return decodeUTF16(v[2:], 0, 1)
	case strings.HasPrefix(v, "\xef\xbb\xbf"):
		return strings.ToValidUTF8(v[3:], string(utf8.RuneError))
	}
	var b strings.Builder
	for i := 0; i < len(s.Value); i++ {
		b.WriteRune(docEncoding(s.Value[i]))
	}
	return b.String()
}

func decodeUTF16(v string, low, high int) string {
	units := make([]uint16, 0, len(v)/2)
	for i := 0; i+1 < len(v); i += 2 {
		units = append(units, uint16(v[i+high])<<8|uint16(v[i+low]))
	}
	return string(utf16.Decode(units))
}

// docEncoding decodes a byte of PDFDocEncoding (ISO 32000-2 Annex D.3).
func docEncoding(c byte) rune {
	const (
		from18 = "\u02d8\u02c7\u02c6\u02d9\u02dd\u02db\u02da\u02dc"
		from80 = "\u2022\u2020\u2021\u2026\u2014\u2013\u0192\u2044\u2039\u203a\u2212\u2030\u201e\u201c\u201d\u2018" +
			"\u2019\u201a\u2122\ufb01\ufb02\u0141\u0152\u0160\u0178\u017d\u0131\u0142\u0153\u0161\u017e\ufffd\u20ac"
	)
	switch {
	case c >= 0x18 && c < 0x20:
		return []rune(from18)[c-0x18]
	case c >= 0x80 && c <= 0xa0:
		return []rune(from80)[c-0x80]
	}
	return rune(c)
}
