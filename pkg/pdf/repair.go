package pdf

import "bytes"

// skipHarmless skips white space and comments. It stops inside a comment and returns false if the
// comment contains text that a reader which repairs the file takes for the start of an object, a
// trailer or a cross-reference table.
func (l *lexer) skipHarmless() bool {
	var last [8]byte // the newest bytes of the comment
	comment := false
	for {
		c := l.peek()
		switch {
		case c < 0:
			return true
		case comment && (c == '\n' || c == '\r'):
			comment = false
		case comment:
			copy(last[:], last[1:])
			last[len(last)-1] = byte(c)
			if isRepairWord(last[:]) {
				return false
			}
		case c == '%':
			comment, last = true, [8]byte{}
		case !isSpace(c):
			return true
		}
		l.pos++
	}
}

// isRepairWord reports whether eight bytes end with "0 obj" of any generation, with trailer or with
// xref.
func isRepairWord(b []byte) bool {
	return bytes.HasSuffix(b, []byte(" obj")) && isDigit(int(b[3])) ||
		bytes.HasSuffix(b, []byte("trailer")) || bytes.HasSuffix(b, []byte("xref"))
}
