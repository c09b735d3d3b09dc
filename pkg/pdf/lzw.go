package pdf

import (
	"bufio"
	"io"
)

const (
	lzwClear = 256
	lzwEnd   = 257
	lzwCodes = 4096
)

// lzwReader decodes LZWDecode (ISO 32000-2 7.4.4): codes of 9 to 12 bits, most significant bit
// first. The width grows one code early unless /EarlyChange is 0.
type lzwReader struct {
	r      *bufio.Reader
	early  int
	bits   uint32
	nbits  uint
	width  uint
	next   int // the code that will be defined next
	last   int // the previous code, or -1
	prefix [lzwCodes]uint16
	suffix [lzwCodes]byte
	stack  [lzwCodes]byte
	out    []byte
	err    error
}

func newLZWReader(r io.Reader, early bool) *lzwReader {
	l := &lzwReader{r: bufio.NewReader(r)}
	if early {
		l.early = 1
	}
	for i := range 256 {
		l.suffix[i] = byte(i)
	}
	l.clear()
	return l
}

func (l *lzwReader) clear() { l.width, l.next, l.last = 9, 258, -1 }

func (l *lzwReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(l.out) == 0 {
			if l.err != nil {
				return n, l.err
			}
			l.err = l.step()
			continue
		}
		k := copy(p[n:], l.out)
		l.out = l.out[k:]
		n += k
	}
	return n, nil
}

func (l *lzwReader) code() (int, error) {
	for l.nbits < l.width {
		c, err := l.r.ReadByte()
		if err != nil {
			return 0, err // many writers omit the end code
		}
		l.bits, l.nbits = l.bits<<8|uint32(c), l.nbits+8
	}
	l.nbits -= l.width
	return int(l.bits>>l.nbits) & (1<<l.width - 1), nil
}

// step decodes one code into out.
func (l *lzwReader) step() error {
	code, err := l.code()
	switch {
	case err != nil:
		return err
	case code == lzwEnd:
		return io.EOF
	case code == lzwClear:
		l.clear()
		return nil
	case code > l.next || code == l.next && l.last < 0:
		return damaged("LZW data is broken")
	}
	at := len(l.stack)
	c := code
	if code == l.next { // the code being defined: the previous string and its own first byte
		at--
		c = l.last
	}
	for c >= 258 {
		at--
		l.stack[at] = l.suffix[c]
		c = int(l.prefix[c])
	}
	at--
	l.stack[at] = byte(c)
	if code == l.next {
		l.stack[len(l.stack)-1] = byte(c)
	}
	l.out = l.stack[at:]
	l.define(byte(c))
	l.last = code
	return nil
}

// define adds the previous string with first appended, and widens the codes if needed.
func (l *lzwReader) define(first byte) {
	if l.last < 0 || l.next >= lzwCodes {
		return
	}
	l.prefix[l.next], l.suffix[l.next] = uint16(l.last), first
	l.next++
	if l.next+l.early >= 1<<l.width && l.width < 12 {
		l.width++
	}
}
