package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// contentType is what the content of a file is, whatever its name says.
type contentType string

// The content types that matter here, as the API names them.
const (
	typePDF   contentType = "application/pdf"
	typeXML   contentType = "application/xml"
	typeCMS   contentType = "application/pkcs7-mime"
	typeOther contentType = "application/octet-stream"
)

// sniffed is how many bytes decide about the content type. A PDF header is searched for in the
// first 1,024 bytes (annex C of ISO 32000-1).
const sniffed = 1024 + len(pdfHeader)

const pdfHeader = "%PDF-"

// contentTypeOf returns the type of a content by its first bytes.
func contentTypeOf(file io.ReaderAt) (contentType, error) {
	start := make([]byte, sniffed)
	n, err := file.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read file: %w", err)
	}
	start = start[:n]
	switch {
	case bytes.HasPrefix(start, []byte(pdfHeader)):
		return typePDF, nil
	case isCMS(start): // before the search for a PDF header, because it may contain a PDF
		return typeCMS, nil
	case isXML(start):
		return typeXML, nil
	case bytes.Contains(start, []byte(pdfHeader)):
		return typePDF, nil
	}
	return typeOther, nil
}

// isXML reports whether the first character that is not a blank is "<", in an encoding whose
// characters are one or two bytes.
func isXML(start []byte) bool {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		start = bytes.TrimPrefix(start, []byte(mark))
	}
	start = bytes.TrimLeft(start, "\x00 \t\r\n")
	return len(start) > 0 && start[0] == '<'
}

// pkcs7 is how the object identifiers of CMS content types start in DER (RFC 5652 14).
const pkcs7 = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"

// isCMS reports whether start begins a CMS structure in DER, BER, PEM or base64.
func isCMS(start []byte) bool {
	text := bytes.TrimLeft(start, " \t\r\n")
	if line, rest, found := bytes.Cut(text, []byte("\n")); found && bytes.HasPrefix(line, []byte("-----BEGIN ")) {
		text = rest
	}
	if decoded := make([]byte, 24); len(text) > 0 && text[0] == 'M' {
		text = bytes.Join(bytes.Fields(text), nil)
		n, _ := base64.StdEncoding.Decode(decoded, text[:min(32, len(text)/4*4)]) // n counts the bytes before an error
		start = decoded[:n]
	}
	if len(start) < 2 || start[0] != 0x30 {
		return false
	}
	header := 2
	if start[1] > 0x80 {
		header += int(start[1] & 0x7f)
	}
	return len(start) > header && bytes.HasPrefix(start[header:], []byte(pkcs7))
}

// openFile is a file with its size. It is closed with Close.
type openFile struct {
	*os.File
	size int64
}

// Size implements signing.Sized.
func (f openFile) Size() int64 { return f.size }

var _ signing.Sized = openFile{}

// open opens a regular file.
func open(path string) (openFile, error) {
	info, err := os.Stat(path) // first, because opening a named pipe waits for its other end
	if err != nil {
		return openFile{}, err
	}
	if !info.Mode().IsRegular() {
		return openFile{}, errors.New("is not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return openFile{}, err
	}
	return openFile{f, info.Size()}, nil
}
