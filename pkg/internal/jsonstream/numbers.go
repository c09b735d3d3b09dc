package jsonstream

import "bytes"

// number consumes a number; RFC 8259 section 6.
func (l *lexer) number() error {
	sign, err := l.digitOr("-")
	if err != nil {
		return err
	}
	if sign {
		l.advance(1)
	}
	if err := l.fill(); err != nil {
		return err
	}
	zero := l.buf[l.pos] == '0'
	n, err := l.digits()
	if err != nil {
		return err
	}
	if n == 0 || zero && n > 1 {
		return l.fault(Malformed, "not JSON")
	}
	for _, part := range []string{".", "eE"} {
		if err := l.numberPart(part); err != nil {
			return err
		}
	}
	return nil
}

// numberPart consumes a fraction or an exponent, if there is one.
func (l *lexer) numberPart(leads string) error {
	there, err := l.digitOr(leads)
	if err != nil || !there {
		return ignoreEnd(err)
	}
	l.advance(1)
	if leads != "." {
		if sign, err := l.digitOr("+-"); err == nil && sign {
			l.advance(1)
		}
	}
	n, err := l.digits()
	if err == nil && n == 0 {
		err = l.fault(Malformed, "not JSON: a number without digits")
	}
	return err
}

// digitOr reports whether one of chars comes next.
func (l *lexer) digitOr(chars string) (bool, error) {
	if err := l.fill(); err != nil {
		return false, err
	}
	return bytes.IndexByte([]byte(chars), l.buf[l.pos]) >= 0, nil
}

// digits consumes decimal digits and counts them.
func (l *lexer) digits() (n int, err error) {
	for {
		if err := l.fill(); err != nil {
			return n, ignoreEnd(err)
		}
		if c := l.buf[l.pos]; c < '0' || c > '9' {
			return n, nil
		}
		l.advance(1)
		n++
		if err := l.checkRaw(); err != nil {
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
