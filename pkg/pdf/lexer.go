package pdf

import (
	"encoding/hex"
	"io"
	"sync"
)

// tokenKind is what a token is.
type tokenKind int

const (
	tokenEOF tokenKind = iota
	tokenNumber
	tokenString
	tokenName
	tokenKeyword
	tokenArrayOpen
	tokenArrayClose
	tokenDictOpen
	tokenDictClose
)

// token is one lexical token. value is decoded. source is the text as it was written; only strings
// have it.
type token struct {
	kind   tokenKind
	value  string
	source string
}

// lexer cuts the bytes of its input into tokens (ISO 32000-2 7.2).
type lexer struct {
	input
	scratch []byte // the value of the current token
}

// newLexer returns a lexer that reads at most budget bytes from r. The first byte of r is at offset
// base of the file.
func newLexer(r io.Reader, base, budget int64) *lexer {
	return &lexer{input: input{r: r, base: base, budget: budget, chunk: firstChunk}}
}

// lexers keeps the memory of released lexers, because signing a document reads a few objects, one
// after the other.
var lexers = sync.Pool{New: func() any { return new(lexer) }}

// maxKeptBytes bounds the memory that a released lexer keeps. The contents of a signature fit; the
// memory of a hostile object is not kept.
const maxKeptBytes = 128 << 10

// release gives the memory of a lexer of lexerAt to a later one. The lexer must not be used
// afterwards. Its tokens stay valid, because they are copies.
func (l *lexer) release() {
	if cap(l.buf)+cap(l.scratch)+cap(l.source) <= maxKeptBytes {
		*l = lexer{input: input{buf: l.buf[:0], source: l.source[:0]}, scratch: l.scratch[:0]}
		lexers.Put(l)
	}
}

func isSpace(c int) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isDelimiter(c int) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return true
	}
	return false
}

func isRegular(c int) bool { return c >= 0 && !isSpace(c) && !isDelimiter(c) }

func isDigit(c int) bool { return c >= '0' && c <= '9' }

// skipSpace skips white space and comments.
func (l *lexer) skipSpace() {
	for {
		c := l.peek()
		switch {
		case isSpace(c):
			l.pos++
		case c == '%':
			for c = l.peek(); c >= 0 && c != '\n' && c != '\r'; c = l.peek() {
				l.pos++
			}
		default:
			return
		}
	}
}

// next returns the next token.
func (l *lexer) next() (token, error) {
	l.skipSpace()
	c := l.take()
	switch c {
	case -1:
		return token{}, l.fault()
	case '(':
		return l.literal()
	case '/':
		return l.name()
	case '[':
		return token{kind: tokenArrayOpen}, nil
	case ']':
		return token{kind: tokenArrayClose}, nil
	case '{', '}':
		return token{kind: tokenKeyword, value: string(rune(c))}, nil
	case '<':
		if l.peek() == '<' {
			l.pos++
			return token{kind: tokenDictOpen}, nil
		}
		return l.hex()
	case '>':
		if l.peek() == '>' {
			l.pos++
			return token{kind: tokenDictClose}, nil
		}
		return token{}, damaged("a > is out of place")
	case ')':
		return token{}, damaged("a ) is out of place")
	}
	return l.regular(byte(c))
}

// regular reads a number or a keyword that starts with c.
func (l *lexer) regular(c byte) (token, error) {
	l.scratch = append(l.scratch[:0], c)
	number := isNumeric(int(c))
	for {
		c := l.peek()
		if !isRegular(c) {
			break
		}
		l.pos++
		number = number && isNumeric(c)
		if l.scratch = append(l.scratch, byte(c)); len(l.scratch) > maxTokenBytes {
			return token{}, tooComplex("a token is longer than %d bytes", maxTokenBytes)
		}
	}
	kind := tokenKeyword
	if number {
		kind = tokenNumber
	}
	return token{kind: kind, value: string(l.scratch)}, l.fault()
}

func isNumeric(c int) bool { return isDigit(c) || c == '.' || c == '-' || c == '+' }

// name reads a name behind its slash. A # without two hexadecimal digits behind it stands for
// itself, as before PDF 1.2.
func (l *lexer) name() (token, error) {
	l.scratch = l.scratch[:0]
	for {
		c := l.peek()
		if !isRegular(c) {
			return token{kind: tokenName, value: string(l.scratch)}, l.fault()
		}
		l.pos++
		if c == '#' {
			if hi, lo := unhex(l.peek()), unhex(l.peekAt(1)); hi >= 0 && lo >= 0 {
				l.pos += 2
				c = hi<<4 | lo
			}
		}
		if l.scratch = append(l.scratch, byte(c)); len(l.scratch) > maxTokenBytes {
			return token{}, tooComplex("a name is longer than %d bytes", maxTokenBytes)
		}
	}
}

func unhex(c int) int {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return -1
}

// hex reads a hexadecimal string behind its <.
func (l *lexer) hex() (token, error) {
	l.begin('<')
	defer l.end()
	l.scratch = l.scratch[:0]
	high := -1
	for {
		if high < 0 {
			l.hexPairs()
		}
		c := l.take()
		switch digit := unhex(c); {
		case c == '>':
			if high >= 0 {
				l.scratch = append(l.scratch, byte(high<<4))
			}
			return token{kind: tokenString, value: string(l.scratch), source: string(l.source)}, nil
		case digit >= 0 && high < 0:
			high = digit
		case digit >= 0:
			l.scratch = append(l.scratch, byte(high<<4|digit))
			high = -1
		case isSpace(c):
		case c < 0:
			return token{}, l.unterminated()
		default:
			return token{}, damaged("a hexadecimal string contains a character that is not a digit")
		}
	}
}

// hexPairs reads the pairs of digits in the buffer at once. The reserved contents of a signature
// are tens of thousands of digits.
func (l *lexer) hexPairs() {
	run := l.buf[l.pos:]
	n := 0
	for n < len(run) && unhex(int(run[n])) >= 0 {
		n++
	}
	run = run[:n&^1]
	l.scratch, _ = hex.AppendDecode(l.scratch, run) // cannot fail: run contains only digits
	l.source = append(l.source, run...)
	l.pos += len(run)
}

func (l *lexer) unterminated() error {
	if err := l.fault(); err != nil {
		return err
	}
	return damaged("a string has no end")
}

// literal reads a literal string behind its opening parenthesis (ISO 32000-2 7.3.4.2).
func (l *lexer) literal() (token, error) {
	l.begin('(')
	defer l.end()
	l.scratch = l.scratch[:0]
	for depth := 1; ; {
		c := l.take()
		switch c {
		case -1:
			return token{}, l.unterminated()
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return token{kind: tokenString, value: string(l.scratch), source: string(l.source)}, nil
			}
		case '\r': // every end of line counts as one \n
			if l.peek() == '\n' {
				l.take()
			}
			c = '\n'
		case '\\':
			if c = l.escape(); c < 0 {
				continue
			}
		}
		l.scratch = append(l.scratch, byte(c))
	}
}

// escape reads what follows a backslash. It returns -1 if the escape stands for no character.
func (l *lexer) escape() int {
	c := l.take()
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case '\r':
		if l.peek() == '\n' {
			l.take()
		}
		return -1
	case '\n':
		return -1
	}
	if c < '0' || c > '7' {
		return c
	}
	v := c - '0'
	for range 2 {
		d := l.peek()
		if d < '0' || d > '7' {
			break
		}
		l.take()
		v = v<<3 | (d - '0')
	}
	return v & 0xff
}
