package pdf

import (
	"errors"
	"io"
)

// input is the bytes that a lexer reads. It reads ahead as needed, but never more than budget
// bytes.
type input struct {
	r      io.Reader
	buf    []byte
	pos    int    // of the next byte in buf
	base   int64  // offset of buf[0] in the file
	budget int64  // bytes that may still be read
	chunk  int    // size of the next read
	err    error  // of r; io.EOF at its end
	source []byte // the text of the current token, while keep is set
	keep   bool
}

const firstChunk, lastChunk = 1024, 32 << 10

// offset is the offset of the next byte in the file.
func (in *input) offset() int64 { return in.base + int64(in.pos) }

// more reads more bytes into buf. It returns false at the end, and then sets err.
func (in *input) more() bool {
	if in.err != nil {
		return false
	}
	if in.budget <= 0 {
		in.err = tooComplex("one object takes more than %d bytes", maxObjectBytes)
		return false
	}
	n := min(int64(in.chunk), in.budget)
	in.base += int64(in.pos)
	in.buf = append(in.buf[:0], in.buf[in.pos:]...)
	in.pos = 0
	have := len(in.buf)
	if cap(in.buf) < have+int(n) {
		in.buf = append(make([]byte, 0, have+int(n)), in.buf...)
	}
	for tries := 0; ; tries++ {
		read, err := in.r.Read(in.buf[have : have+int(n)])
		in.buf = in.buf[:have+read]
		in.budget -= int64(read)
		if err != nil {
			in.err = err
		} else if read == 0 && tries > 100 {
			in.err = io.ErrNoProgress
		}
		if read > 0 || in.err != nil {
			break
		}
	}
	in.chunk = min(2*in.chunk, lastChunk)
	return len(in.buf) > have
}

// peek returns the next byte without taking it, or -1 at the end.
func (in *input) peek() int { return in.peekAt(0) }

// peekAt returns the byte i bytes after the next one without taking it, or -1 at the end.
func (in *input) peekAt(i int) int {
	for in.pos+i >= len(in.buf) {
		if !in.more() {
			return -1
		}
	}
	return int(in.buf[in.pos+i])
}

// take returns the next byte, or -1 at the end.
func (in *input) take() int {
	if in.pos >= len(in.buf) && !in.more() {
		return -1
	}
	c := in.buf[in.pos]
	in.pos++
	if in.keep {
		in.source = append(in.source, c)
	}
	return int(c)
}

// fault is the error that ended the data; nil if the data ended cleanly.
func (in *input) fault() error {
	if in.err == nil || errors.Is(in.err, io.EOF) {
		return nil
	}
	return readError(in.err)
}

// begin starts to collect the source text of a token whose first byte was already taken.
func (in *input) begin(first byte) {
	in.source, in.keep = append(in.source[:0], first), true
}

// end stops collecting the source text.
func (in *input) end() { in.keep = false }
