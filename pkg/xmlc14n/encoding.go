package xmlc14n

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Encoding is a character encoding of documents.
type Encoding uint8

// The supported encodings. Their numbers are stored, so new ones follow behind the last. Those with
// one byte for each character are the ones of the languages of Europe.
const (
	UTF8 Encoding = iota
	UTF16LE
	UTF16BE
	ASCII
	ISO8859x1
	ISO8859x15
	Windows1252
	ISO8859x2
	ISO8859x3
	ISO8859x4
	ISO8859x5
	ISO8859x7
	ISO8859x9
	ISO8859x13
	ISO8859x16
	Windows1250
	Windows1251
	Windows1253
	Windows1254
	Windows1257
	encodings // how many there are
)

// Known says whether the encoding is one of the supported ones.
func (e Encoding) Known() bool { return e < encodings }

// encodingLabels are the names of the encodings that the IANA registry prefers.
var encodingLabels = [encodings]string{
	UTF8: "UTF-8", UTF16LE: "UTF-16LE", UTF16BE: "UTF-16BE", ASCII: "US-ASCII",
	ISO8859x1: "ISO-8859-1", ISO8859x2: "ISO-8859-2", ISO8859x3: "ISO-8859-3", ISO8859x4: "ISO-8859-4",
	ISO8859x5: "ISO-8859-5", ISO8859x7: "ISO-8859-7", ISO8859x9: "ISO-8859-9",
	ISO8859x13: "ISO-8859-13", ISO8859x15: "ISO-8859-15", ISO8859x16: "ISO-8859-16",
	Windows1250: "windows-1250", Windows1251: "windows-1251", Windows1252: "windows-1252",
	Windows1253: "windows-1253", Windows1254: "windows-1254", Windows1257: "windows-1257",
}

// encodingNames lists the names that a document may declare, in upper case. The name "UTF-16"
// leaves the byte order to the first bytes.
var encodingNames = func() map[string]Encoding {
	names := map[string]Encoding{
		"UTF8": UTF8, "ASCII": ASCII, "LATIN1": ISO8859x1, "LATIN2": ISO8859x2, "LATIN5": ISO8859x9,
		"LATIN-9": ISO8859x15, "LATIN10": ISO8859x16,
	}
	for e, label := range encodingLabels {
		name := strings.ToUpper(label)
		names[name] = Encoding(e)
		if number, ok := strings.CutPrefix(name, "ISO-8859-"); ok {
			names["ISO_8859-"+number], names["ISO8859-"+number] = Encoding(e), Encoding(e)
		}
		if number, ok := strings.CutPrefix(name, "WINDOWS-"); ok {
			names["CP"+number] = Encoding(e)
		}
	}
	return names
}()

// String returns the name of the encoding that the IANA registry prefers.
func (e Encoding) String() string { return encodingLabels[e] }

// pages are the tables of the encodings with one byte for each character. -1 marks a byte without a
// character.
var pages = map[Encoding]*[256]rune{
	ASCII:       page(func(byte) rune { return -1 }),
	ISO8859x1:   page(func(b byte) rune { return rune(b) }),
	ISO8859x2:   isoPage(charmap.ISO8859_2),
	ISO8859x3:   isoPage(charmap.ISO8859_3),
	ISO8859x4:   isoPage(charmap.ISO8859_4),
	ISO8859x5:   isoPage(charmap.ISO8859_5),
	ISO8859x7:   isoPage(charmap.ISO8859_7),
	ISO8859x9:   isoPage(charmap.ISO8859_9),
	ISO8859x13:  isoPage(charmap.ISO8859_13),
	ISO8859x15:  isoPage(charmap.ISO8859_15),
	ISO8859x16:  isoPage(charmap.ISO8859_16),
	Windows1250: windowsPage(charmap.Windows1250),
	Windows1251: windowsPage(charmap.Windows1251),
	Windows1252: windowsPage(charmap.Windows1252),
	Windows1253: windowsPage(charmap.Windows1253),
	Windows1254: windowsPage(charmap.Windows1254),
	Windows1257: windowsPage(charmap.Windows1257),
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

// isoPage returns the table of a part of ISO 8859. The library does not know its control
// characters.
func isoPage(m *charmap.Charmap) *[256]rune {
	return page(func(b byte) rune {
		r := m.DecodeByte(b)
		switch {
		case b < 0xA0:
			return rune(b)
		case r == utf8.RuneError:
			return -1
		}
		return r
	})
}

// windowsPage returns the table of a Windows encoding. It has no character for the bytes that the
// registered encoding does not assign. Browsers and the library read control characters.
func windowsPage(m *charmap.Charmap) *[256]rune {
	return page(func(b byte) rune {
		r := m.DecodeByte(b)
		if r == utf8.RuneError || r < 0xA0 {
			return -1
		}
		return r
	})
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
