package xmlc14n

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is a character encoding of documents.
type Encoding uint8

// The supported encodings.
const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
	ASCII
	ISO8859x1
	ISO8859x15
	Windows1252
)

// encodingNames lists the names that a document may declare, in upper case. The name "UTF-16"
// leaves the byte order to the first bytes.
var encodingNames = map[string]Encoding{
	"UTF-8": UTF8, "UTF8": UTF8,
	"UTF-16LE": UTF16LE, "UTF-16BE": UTF16BE,
	"US-ASCII": ASCII, "ASCII": ASCII,
	"ISO-8859-1": ISO8859x1, "ISO_8859-1": ISO8859x1, "ISO8859-1": ISO8859x1, "LATIN1": ISO8859x1,
	"ISO-8859-15": ISO8859x15, "ISO_8859-15": ISO8859x15, "ISO8859-15": ISO8859x15, "LATIN-9": ISO8859x15,
	"WINDOWS-1252": Windows1252, "CP1252": Windows1252,
}

// String returns the name of the encoding that the IANA registry prefers.
func (e Encoding) String() string {
	return [...]string{
		"UTF-8", "UTF-16LE", "UTF-16BE", "US-ASCII", "ISO-8859-1", "ISO-8859-15", "windows-1252",
	}[e]
}

// pages are the tables of the encodings with one byte for each character. -1 marks a byte without a
// character.
var pages = map[Encoding]*[256]rune{
	ASCII:       page(func(byte) rune { return -1 }),
	ISO8859x1:   page(func(b byte) rune { return rune(b) }),
	ISO8859x15:  page(decodeLatin9),
	Windows1252: page(decodeWindows1252),
}

// page returns the table of an encoding from the characters of the bytes beyond ASCII.
func page(decode func(byte) rune) *[256]rune {
	var table [256]rune
	for i := range table {
		table[i] = rune(i)
		if i >= utf8.RuneSelf {
			table[i] = decode(byte(i))
		}
	}
	return &table
}

func decodeLatin9(b byte) rune {
	if b < 0xA0 {
		return rune(b) // control characters, which the library does not know
	}
	return charmap.ISO8859_15.DecodeByte(b)
}

// decodeWindows1252 refuses the five bytes that the registered encoding does not assign. Browsers
// and the library read control characters.
func decodeWindows1252(b byte) rune {
	switch b {
	case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
		return -1
	}
	return charmap.Windows1252.DecodeByte(b)
}

// byteOrderMark returns the encoding that the first bytes of a document show, and the length of the
// byte order mark. known is false if the bytes show nothing (XML 1.0 appendix F).
func byteOrderMark(head []byte) (e Encoding, length int, known bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		return UTF8, 3, true
	case bytes.HasPrefix(head, []byte("\xFF\xFE")):
		return UTF16LE, 2, true
	case bytes.HasPrefix(head, []byte("\xFE\xFF")):
		return UTF16BE, 2, true
	case bytes.HasPrefix(head, []byte("<\x00?\x00")):
		return UTF16LE, 0, true
	case bytes.HasPrefix(head, []byte("\x00<\x00?")):
		return UTF16BE, 0, true
	}
	return UTF8, 0, false
}

// choose returns the encoding of a document whose first bytes show e, if known, and whose XML
// declaration names declared, or "" if it names none.
func choose(e Encoding, known bool, declared string) (Encoding, Reason) {
	name := strings.ToUpper(declared)
	wide := e == UTF16LE || e == UTF16BE
	switch named, ok := encodingNames[name]; {
	case name == "" || name == "UTF-16" && wide:
		return e, ""
	case name == "UTF-16":
		return 0, WrongEncoding
	case !ok:
		return 0, UnknownEncoding
	case known && named != e, !known && (named == UTF16LE || named == UTF16BE):
		return 0, WrongEncoding
	default:
		return named, ""
	}
}

// Append encodes text, which is valid UTF-8, and appends it to dst. It writes a character reference
// for each character that the encoding does not have, which is right in text and attribute values.
func (e Encoding) Append(dst []byte, text string) []byte {
	if e == UTF8 {
		return append(dst, text...)
	}
	for _, r := range text {
		dst = e.appendRune(dst, r)
	}
	return dst
}
