package pdf

import (
	"bufio"
	"io"
)

// hexReader decodes ASCIIHexDecode (ISO 32000-2 7.4.2).
type hexReader struct {
	r    *bufio.Reader
	done bool
}

func (h *hexReader) digit() (int, error) {
	for {
		c, err := h.r.ReadByte()
		if err != nil {
			return 0, err
		}
		if v := unhex(int(c)); v >= 0 {
			return v, nil
		}
		if c == '>' {
			return 0, io.EOF
		}
		if !isSpace(int(c)) {
			return 0, damaged("hexadecimal data contains a character that is not a digit")
		}
	}
}

func (h *hexReader) Read(p []byte) (int, error) {
	for n := range p {
		if h.done {
			return n, io.EOF
		}
		hi, err := h.digit()
		if err != nil {
			h.done = err == io.EOF
			return n, err
		}
		lo, err := h.digit()
		if err == io.EOF {
			h.done = true
		} else if err != nil {
			return n, err
		}
		p[n] = byte(hi<<4 | lo)
	}
	return len(p), nil
}

// ascii85Reader decodes ASCII85Decode (ISO 32000-2 7.4.3).
type ascii85Reader struct {
	r    *bufio.Reader
	out  []byte // decoded, but not yet returned
	buf  [4]byte
	done bool
}

func (a *ascii85Reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(a.out) == 0 {
			if a.done {
				return n, io.EOF
			}
			if err := a.group(); err != nil {
				return n, err
			}
			continue
		}
		k := copy(p[n:], a.out)
		a.out = a.out[k:]
		n += k
	}
	return n, nil
}

// group decodes five characters, or the remaining ones before ~>.
func (a *ascii85Reader) group() error {
	var v uint64
	count := 0
	for count < 5 {
		c, err := a.r.ReadByte()
		if err == io.EOF || err == nil && c == '~' {
			a.done = true
			break
		}
		switch {
		case err != nil:
			return err
		case isSpace(int(c)):
		case c == 'z' && count == 0:
			a.buf = [4]byte{}
			a.out = a.buf[:]
			return nil
		case c < '!' || c > 'u':
			return damaged("base-85 data contains a wrong character")
		default:
			v = v*85 + uint64(c-'!')
			count++
		}
	}
	if count == 0 {
		return nil
	}
	if count == 1 {
		return damaged("base-85 data ends in the middle")
	}
	for range 5 - count {
		v = v*85 + 84
	}
	if v > 0xffffffff {
		return damaged("base-85 data is out of range")
	}
	a.buf = [4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	a.out = a.buf[:count-1]
	return nil
}

// runLengthReader decodes RunLengthDecode (ISO 32000-2 7.4.5).
type runLengthReader struct {
	r      *bufio.Reader
	left   int
	repeat int // the byte to repeat, or -1 to copy
	done   bool
}

func (l *runLengthReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if l.left == 0 {
			if l.done {
				return n, io.EOF
			}
			if err := l.run(); err != nil {
				return n, err
			}
			continue
		}
		c := byte(l.repeat)
		if l.repeat < 0 {
			var err error
			if c, err = l.r.ReadByte(); err != nil {
				return n, noEOF(err)
			}
		}
		p[n] = c
		n++
		l.left--
	}
	return n, nil
}

func (l *runLengthReader) run() error {
	c, err := l.r.ReadByte()
	if err == io.EOF || err == nil && c == 128 {
		l.done = true
		return nil
	}
	if err != nil {
		return err
	}
	l.repeat, l.left = -1, int(c)+1
	if c > 128 {
		b, err := l.r.ReadByte()
		if err != nil {
			return noEOF(err)
		}
		l.repeat, l.left = int(b), 257-int(c)
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
