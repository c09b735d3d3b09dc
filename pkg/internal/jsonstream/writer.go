package jsonstream

import (
	"encoding/base64"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"
)

// flushBytes is how many bytes a Writer buffers before it writes.
const flushBytes = 16 << 10

// Writer writes one JSON text. The methods are called in the order of the text. The Writer adds the
// commas. The first error of the underlying writer is sticky: Flush returns it, and all later calls
// do nothing. Not safe for concurrent use.
//
// Letters of escapes are written in upper case (\u001F), so that an escape and the letters after it
// never form a word that the text does not contain.
type Writer struct {
	w     io.Writer
	buf   []byte
	comma bool // the next value on this level needs a comma before it
	err   error
}

// NewWriter returns a Writer to w. Call Flush at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, flushBytes+4<<10)} }

// Err returns the first error of the underlying writer.
func (w *Writer) Err() error { return w.err }

// Flush writes the buffered text and returns the first error.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// begin writes a comma if the next value needs one.
func (w *Writer) begin() {
	if w.comma {
		w.buf = append(w.buf, ',')
	}
	w.comma = true
	if len(w.buf) >= flushBytes {
		_ = w.Flush() // the error is sticky
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

// String writes a string. Bytes that are not UTF-8 become U+FFFD.
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

// base64Piece is how many bytes are encoded at once. It is a multiple of three, so that only the
// last piece is padded.
const base64Piece = 24 << 10

// pieces holds the buffers of Base64, because they are too large to allocate for each document.
var pieces = sync.Pool{New: func() any { return new(piece) }}

type piece struct {
	plain   [base64Piece]byte
	encoded [base64Piece / 3 * 4]byte
}

// Base64 writes a string that holds all of r in base64, and returns how many bytes it has read from
// r. The error is an error of r; an error of the writer is sticky. After an error of r the text is
// not JSON and must be abandoned.
func (w *Writer) Base64(r io.Reader) (n int64, err error) {
	w.begin()
	w.buf = append(w.buf, '"')
	b := pieces.Get().(*piece)
	defer pieces.Put(b)
	for err == nil && w.Flush() == nil {
		var m int
		m, err = fill(r, b.plain[:])
		n += int64(m)
		encodeBase64(b.encoded[:], b.plain[:m])
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

// fill reads until p is full or r returns an error. Unlike io.ReadFull it returns that error
// unchanged, so that an io.ErrUnexpectedEOF of r is not mistaken for the end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}
