package hotfolder

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// contentKind is what a file holds.
type contentKind int

const (
	otherContent contentKind = iota
	pdfContent
	xmlContent
)

// headBytes and tailBytes are how much is read to find out what a file holds and whether it has an
// end. PDF readers accept the header and the end of file marker within a kilobyte.
const headBytes, tailBytes = 1024, 1024

// kindOf reads the beginning of a file.
func kindOf(f File) (contentKind, error) {
	head, err := readRange(f, 0, headBytes)
	switch {
	case err != nil:
		return otherContent, err
	case bytes.Contains(head, []byte("%PDF-")):
		return pdfContent, nil
	case isXML(head):
		return xmlContent, nil
	}
	return otherContent, nil
}

// readRange reads up to n bytes from an offset.
func readRange(f File, from int64, n int) ([]byte, error) {
	b := make([]byte, max(min(int64(n), f.Size()-from), 0))
	m, err := f.ReadAt(b, from)
	if err == io.EOF && m == len(b) {
		err = nil
	}
	return b[:m], err
}

// isXML reports whether a text begins like an XML document that is not HTML.
func isXML(head []byte) bool {
	text := strings.TrimLeft(strings.TrimPrefix(asciiOf(head), "\ufeff"), " \t\r\n")
	if len(text) < 2 || text[0] != '<' {
		return false
	}
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "<!doctype html") || strings.HasPrefix(lower, "<html") {
		return false
	}
	c := text[1]
	return c == '?' || c == '!' || c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// asciiOf returns a text that may be in UTF-16.
func asciiOf(b []byte) string {
	big := bytes.HasPrefix(b, []byte{0xfe, 0xff})
	if !big && !bytes.HasPrefix(b, []byte{0xff, 0xfe}) {
		return string(b)
	}
	var units []uint16
	for i := 2; i+1 < len(b); i += 2 {
		u := uint16(b[i]) | uint16(b[i+1])<<8
		if big {
			u = uint16(b[i])<<8 | uint16(b[i+1])
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

// hasEnd reports whether a file has the end that its kind requires.
func hasEnd(f File, kind contentKind) (bool, error) {
	if kind == otherContent {
		return true, nil
	}
	tail, err := readRange(f, max(f.Size()-tailBytes, 0), tailBytes)
	if err != nil {
		return false, err
	}
	if kind == pdfContent {
		return bytes.Contains(tail, []byte("%%EOF")), nil
	}
	// An XML document ends with the end of its root, or with comments or instructions after it.
	trimmed := bytes.TrimRight(tail, " \t\r\n\x00")
	return bytes.HasSuffix(trimmed, []byte(">")) &&
		(bytes.Contains(tail, []byte("</")) || bytes.Contains(tail, []byte("/>")) ||
			bytes.Contains(tail, []byte("<\x00/\x00")) || bytes.Contains(tail, []byte("\x00<\x00/")) ||
			bytes.Contains(tail, []byte("/\x00>")) || f.Size() > tailBytes), nil
}

// typeOf returns the type of signature for a kind of content.
func typeOf(kind contentKind) (typ signing.SignatureType, contentType string) {
	switch kind {
	case pdfContent:
		return signing.PAdES, "application/pdf"
	case xmlContent:
		return signing.XAdES, "text/xml"
	}
	return signing.CAdES, "application/octet-stream"
}
