package jsonstream

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// utf8Text reads the string that begins at pos.
func (l *lexer) utf8Text(limit int, tooLong string) (string, error) {
	l.advance(1)
	var out []byte
	for {
		chunk, err := l.plain()
		if err != nil {
			return "", err
		}
		fits := chunk[:min(len(chunk), limit-len(out))]
		if bytes.ContainsFunc(fits, func(r rune) bool { return r < ' ' }) {
			return "", l.fault(Malformed, "not JSON: a control character in a string")
		}
		if len(fits) < len(chunk) {
			return "", l.fault(TooLarge, tooLong)
		}
		out = append(out, chunk...)
		l.advance(len(chunk))
		if len(chunk) > 0 {
			continue
		}
		r, ended, err := l.special()
		if err != nil {
			return "", err
		}
		if ended {
			break
		}
		if out = utf8.AppendRune(out, r); len(out) > limit {
			return "", l.fault(TooLarge, tooLong)
		}
	}
	if !utf8.Valid(out) {
		return "", l.fault(Malformed, "is not UTF-8")
	}
	return string(out), nil
}

// skipText consumes the string that begins at pos.
func (l *lexer) skipText() error {
	l.advance(1)
	for {
		chunk, err := l.plain()
		if err != nil {
			return err
		}
		if len(chunk) > 0 {
			l.advance(len(chunk))
			if err := l.checkRaw(); err != nil {
				return err
			}
			continue
		}
		if _, ended, err := l.special(); ended || err != nil {
			return err
		}
	}
}

// plain returns the bytes up to the next quote, backslash or end of the buffer, without consuming
// them. It returns no bytes if a quote or a backslash comes next.
func (l *lexer) plain() ([]byte, error) {
	if err := l.fill(); err != nil {
		return nil, err
	}
	if l.quote < l.pos {
		l.quote = indexOr(l.buf, '"', l.pos, l.end)
	}
	if l.clean <= l.pos {
		l.clean = indexOr(l.buf, '\\', l.pos, l.quote)
	}
	return l.buf[l.pos:l.clean], nil
}

// indexOr returns the index of c in buf[from:to], or to if it is not there.
func indexOr(buf []byte, c byte, from, to int) int {
	if i := bytes.IndexByte(buf[from:to], c); i >= 0 {
		return from + i
	}
	return to
}

// special consumes the quote that ends a string, or an escape.
func (l *lexer) special() (r rune, ended bool, err error) {
	quote := l.buf[l.pos] == '"'
	l.advance(1)
	if quote {
		return 0, true, nil
	}
	if err := l.fill(); err != nil {
		return 0, false, err
	}
	c := l.buf[l.pos]
	l.advance(1)
	switch c {
	case '"', '\\', '/':
		return rune(c), false, nil
	case 'b':
		return '\b', false, nil
	case 'f':
		return '\f', false, nil
	case 'n':
		return '\n', false, nil
	case 'r':
		return '\r', false, nil
	case 't':
		return '\t', false, nil
	case 'u':
		r, err = l.unicode()
		return r, false, err
	}
	return 0, false, l.fault(Malformed, "not JSON: an unknown escape in a string")
}

// unicode reads the digits after \u. If they are half of a surrogate pair, it reads the second
// escape too.
func (l *lexer) unicode() (rune, error) {
	r, err := l.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	for _, want := range []byte(`\u`) {
		if err := l.fill(); err != nil {
			return 0, err
		}
		if l.buf[l.pos] != want {
			return 0, l.fault(Malformed, "half of a surrogate pair in a string")
		}
		l.advance(1)
	}
	low, err := l.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, l.fault(Malformed, "half of a surrogate pair in a string")
	}
	return r, nil
}

// hex4 reads four hexadecimal digits.
func (l *lexer) hex4() (rune, error) {
	var digits [4]byte
	for i := range digits {
		if err := l.fill(); err != nil {
			return 0, err
		}
		digits[i] = l.buf[l.pos]
		l.advance(1)
	}
	for _, c := range digits {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return 0, l.fault(Malformed, "not JSON: an unknown escape in a string")
		}
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	return rune(n), err
}
