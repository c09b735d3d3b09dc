package jsonstream

import (
	"encoding/base64"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"
)

// flushBytes is what a Writer gathers before it writes.
const flushBytes = 16 << 10

// Writer writes one JSON text. Its methods are called in the order of the text; commas are its
// business. The first error of the underlying writer sticks, is returned by Flush, and makes
// everything after it a no-op. Not for concurrent use.
//
// Letters of escapes are written in upper case (\u001F), so that no escape and the letters behind
// it can form a word that the text does not hold.
type Writer struct {
	w     io.Writer
	buf   []byte
	comma bool // something precedes the next value on its level
	err   error
}

// NewWriter returns a Writer to w. Call Flush at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, flushBytes+4<<10)} }

// Err is the first error met.
func (w *Writer) Err() error { return w.err }

// Flush writes what is gathered.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// begin puts a comma where one is due.
func (w *Writer) begin() {
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = true
	if len(w.buf) >= flushBytes {
		_ = w.Flush() // sticks
	}
}

func (w *Writer) open(c byte) {
	w.begin()
	w.buf = append(w.buf, c)
	w.comma = false
}

func (w *Writer) close(c byte) {
	w.buf = append(w.buf, c)
	w.comma = true
}

// Object writes an object whose members are written by members.
func (w *Writer) Object(members func()) {
	w.open('{')
	members()
	w.close('}')
}

// Array writes an array whose items are written by items.
func (w *Writer) Array(items func()) {
	w.open('[')
	items()
	w.close(']')
}

// Name writes a member's name; the next call writes its value.
func (w *Writer) Name(name string) {
	w.String(name)
	w.buf = append(w.buf, ':')
	w.comma = false
}

// Member writes a member whose value is a string.
func (w *Writer) Member(name, value string) {
	w.Name(name)
	w.String(value)
}

// Number writes a member whose value is a number.
func (w *Writer) Number(name string, value int64) {
	w.Name(name)
	w.Int(value)
}

// Int writes a number.
func (w *Writer) Int(v int64) {
	w.begin()
	w.buf = strconv.AppendInt(w.buf, v, 10)
}

// String writes a string. What is not UTF-8 becomes U+FFFD.
func (w *Writer) String(s string) {
	w.begin()
	w.buf = append(w.buf, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				w.buf = append(w.buf, s[start:i]...)
				w.buf = append(w.buf, "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		w.buf = append(w.buf, s[start:i]...)
		w.buf = appendEscape(w.buf, c)
		i++
		start = i
	}
	w.buf = append(w.buf, s[start:]...)
	w.buf = append(w.buf, '"')
}

func appendEscape(buf []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	switch c {
	case '"', '\\':
		return append(buf, '\\', c)
	case '\n':
		return append(buf, `\n`...)
	case '\r':
		return append(buf, `\r`...)
	case '\t':
		return append(buf, `\t`...)
	}
	return append(buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

// base64Piece is what is encoded at a time; a multiple of three, so that no piece but the last is
// padded.
const base64Piece = 24 << 10

// pieces holds the buffers of Base64, which are too large to be made for each document.
var pieces = sync.Pool{New: func() any { return new(piece) }}

type piece struct {
	plain   [base64Piece]byte
	encoded [base64Piece / 3 * 4]byte
}

// Base64 writes a string that holds all of r in base64, and returns how many bytes of r that were.
// The error is r's own; the writer's sticks. After an error of r the text is not JSON and must be
// abandoned.
func (w *Writer) Base64(r io.Reader) (n int64, err error) {
	w.begin()
	w.buf = append(w.buf, '"')
	b := pieces.Get().(*piece)
	defer pieces.Put(b)
	for err == nil && w.Flush() == nil {
		var m int
		m, err = fill(r, b.plain[:])
		n += int64(m)
		base64.StdEncoding.Encode(b.encoded[:], b.plain[:m])
		if _, werr := w.w.Write(b.encoded[:base64.StdEncoding.EncodedLen(m)]); werr != nil {
			w.err = werr
		}
	}
	w.buf = append(w.buf, '"')
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// fill reads until p is full or r returns an error. Unlike io.ReadFull it returns that error as it
// is: an unexpected end that r reports is not the end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}
