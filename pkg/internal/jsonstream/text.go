package jsonstream

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string of at most limit bytes of UTF-8. If a number or boolean comes instead,
// String returns its text, as the usual Java readers do.
func (s *Scanner) String(limit int) (string, error) { return s.scalar(limit, "must be a string") }

// maxBoolBytes bounds a string that comes instead of a boolean.
const maxBoolBytes = 256

// Bool reads true or false. It also accepts them in a string, and 1 or 0, for the reason given at
// String.
func (s *Scanner) Bool() (bool, error) {
	const reason = "must be true or false"
	text, err := s.scalar(maxBoolBytes, reason)
	if err != nil {
		return false, err
	}
	switch text {
	case "true", "True", "TRUE", "1":
		return true, nil
	case "false", "False", "FALSE", "0":
		return false, nil
	}
	return false, s.fault(WrongType, reason)
}

// scalar returns the text of a string, number or boolean. For any other value it returns a fault
// with reason.
func (s *Scanner) scalar(limit int, reason string) (string, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return "", err
	case c == 't' || c == 'f' || c == '-' || '0' <= c && c <= '9':
		return s.Raw(limit)
	case c != '"':
		return "", s.wrongType(reason)
	}
	text, err := s.utf8Text(limit, "is longer than "+strconv.Itoa(limit)+" bytes")
	if err != nil {
		return "", err
	}
	s.text += int64(len(text))
	return text, s.checkText()
}

// utf8Text reads the string that begins at pos.
func (s *Scanner) utf8Text(limit int, tooLong string) (string, error) {
	s.pending = false
	s.advance(1)
	var out []byte
	for {
		chunk, err := s.plain()
		if err != nil {
			return "", err
		}
		fits := chunk[:min(len(chunk), limit-len(out))]
		if bytes.ContainsFunc(fits, func(r rune) bool { return r < ' ' }) {
			return "", s.fault(Malformed, "not JSON: a control character in a string")
		}
		if len(fits) < len(chunk) {
			return "", s.fault(TooLarge, tooLong)
		}
		out = append(out, chunk...)
		s.advance(len(chunk))
		if len(chunk) > 0 {
			continue
		}
		r, ended, err := s.special()
		if err != nil {
			return "", err
		}
		if ended {
			break
		}
		if out = utf8.AppendRune(out, r); len(out) > limit {
			return "", s.fault(TooLarge, tooLong)
		}
	}
	if !utf8.Valid(out) {
		return "", s.fault(Malformed, "is not UTF-8")
	}
	return string(out), nil
}

// skipText consumes the string that begins at pos.
func (s *Scanner) skipText() error {
	s.advance(1)
	for {
		chunk, err := s.plain()
		if err != nil {
			return err
		}
		if len(chunk) > 0 {
			s.advance(len(chunk))
			if err := s.checkRaw(); err != nil {
				return err
			}
			continue
		}
		if _, ended, err := s.special(); ended || err != nil {
			return err
		}
	}
}

// plain returns the bytes up to the next quote, backslash or end of the buffer, without consuming
// them. It returns no bytes if a quote or a backslash comes next.
func (s *Scanner) plain() ([]byte, error) {
	if err := s.fill(); err != nil {
		return nil, err
	}
	if s.quote < s.pos {
		s.quote = indexOr(s.buf, '"', s.pos, s.end)
	}
	if s.clean <= s.pos {
		s.clean = indexOr(s.buf, '\\', s.pos, s.quote)
	}
	return s.buf[s.pos:s.clean], nil
}

// indexOr returns the index of c in buf[from:to], or to if it is not there.
func indexOr(buf []byte, c byte, from, to int) int {
	if i := bytes.IndexByte(buf[from:to], c); i >= 0 {
		return from + i
	}
	return to
}

// special consumes the quote that ends a string, or an escape.
func (s *Scanner) special() (r rune, ended bool, err error) {
	quote := s.buf[s.pos] == '"'
	s.advance(1)
	if quote {
		return 0, true, nil
	}
	if err := s.fill(); err != nil {
		return 0, false, err
	}
	c := s.buf[s.pos]
	s.advance(1)
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
		r, err = s.unicode()
		return r, false, err
	}
	return 0, false, s.fault(Malformed, "not JSON: an unknown escape in a string")
}

// unicode reads the digits after \u. If they are half of a surrogate pair, it reads the second
// escape too.
func (s *Scanner) unicode() (rune, error) {
	r, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	for _, want := range []byte(`\u`) {
		if err := s.fill(); err != nil {
			return 0, err
		}
		if s.buf[s.pos] != want {
			return 0, s.fault(Malformed, "half of a surrogate pair in a string")
		}
		s.advance(1)
	}
	low, err := s.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, s.fault(Malformed, "half of a surrogate pair in a string")
	}
	return r, nil
}

// hex4 reads four hexadecimal digits.
func (s *Scanner) hex4() (rune, error) {
	var digits [4]byte
	for i := range digits {
		if err := s.fill(); err != nil {
			return 0, err
		}
		digits[i] = s.buf[s.pos]
		s.advance(1)
	}
	for _, c := range digits {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return 0, s.fault(Malformed, "not JSON: an unknown escape in a string")
		}
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 16)
	return rune(n), err
}

// number consumes a number; RFC 8259 section 6.
func (s *Scanner) number() error {
	sign, err := s.digitOr("-")
	if err != nil {
		return err
	}
	if sign {
		s.advance(1)
	}
	if err := s.fill(); err != nil {
		return err
	}
	zero := s.buf[s.pos] == '0'
	n, err := s.digits()
	if err != nil {
		return err
	}
	if n == 0 || zero && n > 1 {
		return s.fault(Malformed, "not JSON")
	}
	for _, part := range []string{".", "eE"} {
		if err := s.numberPart(part); err != nil {
			return err
		}
	}
	return nil
}

// numberPart consumes a fraction or an exponent, if there is one.
func (s *Scanner) numberPart(leads string) error {
	there, err := s.digitOr(leads)
	if err != nil || !there {
		return ignoreEnd(err)
	}
	s.advance(1)
	if leads != "." {
		if sign, err := s.digitOr("+-"); err == nil && sign {
			s.advance(1)
		}
	}
	n, err := s.digits()
	if err == nil && n == 0 {
		err = s.fault(Malformed, "not JSON: a number without digits")
	}
	return err
}

// digitOr reports whether one of chars comes next.
func (s *Scanner) digitOr(chars string) (bool, error) {
	if err := s.fill(); err != nil {
		return false, err
	}
	return bytes.IndexByte([]byte(chars), s.buf[s.pos]) >= 0, nil
}

// digits consumes decimal digits and counts them.
func (s *Scanner) digits() (n int, err error) {
	for {
		if err := s.fill(); err != nil {
			return n, ignoreEnd(err)
		}
		if c := s.buf[s.pos]; c < '0' || c > '9' {
			return n, nil
		}
		s.advance(1)
		n++
		if err := s.checkRaw(); err != nil {
			return n, err
		}
	}
}

// ignoreEnd returns nil for the end of the text, because a number may stand there.
func ignoreEnd(err error) error {
	if e, ok := err.(*Error); ok && e.Fault == Truncated {
		return nil
	}
	return err
}
