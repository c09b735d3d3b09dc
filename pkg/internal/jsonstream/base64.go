package jsonstream

import (
	"encoding/base64"
	"io"
)

// Base64 begins to read a string that holds base64 (RFC 4648 section 4, the standard alphabet,
// padded) and returns its decoded bytes as a stream. Blanks and line breaks between the characters
// are ignored. The stream must be read to its end, or closed, before the scanner is used again. The
// stream has no buffer of its own.
func (s *Scanner) Base64() (*Base64, error) {
	c, err := s.peek()
	if err != nil {
		return nil, err
	}
	if c != '"' {
		return nil, s.wrongType("must be a string of base64")
	}
	s.pending = false
	s.advance(1)
	return &Base64{l: &s.lexer}, nil
}

// Base64 is the decoded content of a string. Its errors are those of Scanner.
type Base64 struct {
	l    *lexer
	quad [4]byte // characters of the current, incomplete quantum
	n    int     // how many
	pads int     // padding characters seen, which are in the last quantum
	rest [3]byte // decoded bytes that did not fit into the caller's buffer
	left int     // how many
	err  error   // sticky; io.EOF at the end of the string
}

// Close consumes the rest of the string. It returns an error if the rest is not base64.
func (b *Base64) Close() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	return nil
}

// Read implements io.Reader. It decodes from the scanner's buffer straight into p.
func (b *Base64) Read(p []byte) (n int, err error) {
	for n < len(p) && b.err == nil {
		if b.left > 0 {
			n += b.takeRest(p[n:])
			continue
		}
		if n > 0 && b.l.pos == b.l.end {
			break // do not wait for the next byte, which may come late
		}
		var m int
		m, b.err = b.decode(p[n:])
		n += m
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, b.err
}

// takeRest returns bytes that were decoded before.
func (b *Base64) takeRest(p []byte) int {
	n := copy(p, b.rest[:b.left])
	copy(b.rest[:], b.rest[n:b.left])
	b.left -= n
	return n
}

// decode decodes as many whole quanta as are available, or else adds single characters.
func (b *Base64) decode(p []byte) (int, error) {
	chunk, err := b.l.plain()
	if err != nil {
		return 0, err
	}
	if len(chunk) == 0 {
		return 0, b.special()
	}
	// The last quantum is decoded below, because it may be padded.
	if k := min((len(chunk)-1)/4, len(p)/3); k > 0 && b.n == 0 && b.pads == 0 {
		if decodeBase64(p[:3*k], chunk[:4*k]) {
			b.l.advance(4 * k)
			return 3 * k, nil
		}
	}
	for _, c := range chunk {
		b.l.advance(1)
		if c < ' ' {
			return 0, b.l.fault(Malformed, "not JSON: a control character in a string; a line break is written \\n")
		}
		if err := b.add(rune(c)); err != nil {
			return 0, err
		}
		// A quantum is complete. Return it, and try the fast path again.
		if b.left > 0 {
			break
		}
	}
	return 0, nil
}

// special handles an escape, or the end of the string.
func (b *Base64) special() error {
	r, ended, err := b.l.special()
	switch {
	case err != nil:
		return err
	case !ended:
		return b.add(r)
	case b.n > 0:
		return b.l.fault(BadBase64, "is not base64: its end or its padding is missing")
	}
	return io.EOF
}

// add adds one character to the current quantum.
func (b *Base64) add(r rune) error {
	switch {
	case r == ' ' || r == '\t' || r == '\n' || r == '\r':
		return nil
	case b.pads > 0 && b.n == 0:
		return b.l.fault(BadBase64, "is not base64: something follows its end")
	case r == '=' && b.n >= 2:
		b.pads++
	case b.pads > 0 || !inAlphabet(r):
		return b.l.fault(BadBase64, "is not base64: it contains a character that is not allowed there")
	}
	b.quad[b.n] = byte(r)
	if b.n++; b.n < 4 {
		return nil
	}
	b.n = 0
	n, err := base64.StdEncoding.Decode(b.rest[:], b.quad[:])
	if err != nil {
		return b.l.fault(BadBase64, "is not base64")
	}
	b.left = n
	return nil
}

func inAlphabet(r rune) bool {
	return 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '/'
}
