package jsonstream

import (
	"io"
	"strconv"
	"strings"
)

// bufferBytes is the size of the buffer. It is large enough for fast searches in bulk, and small
// enough for hundreds of scanners.
const bufferBytes = 64 << 10

// lexer reads the tokens of a JSON text from a buffer: brackets, words, strings and numbers. It
// does not know which token may follow which. Every byte of the text passes through fill and
// advance.
type lexer struct {
	r        io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] is not consumed yet
	quote    int   // the first quote at or after pos, or end; stale when less than pos
	clean    int   // buf[pos:clean] has no quote and no backslash; stale when not beyond pos
	before   int64 // bytes consumed before buf[0]
	err      error // of r, sticky
	started  bool

	path path // of the value that is being read; errors name it

	raw       []byte // the consumed bytes while recording is set, without the blanks between tokens
	recording bool
	rawMax    int // limit of raw, in bytes
}

func newLexer(r io.Reader) lexer { return lexer{r: r, buf: make([]byte, bufferBytes), quote: -1} }

// path is the place of a value in the text.
type path []element

// element is one step of the path: a name, or an index if name is empty.
type element struct {
	name  string
	index int
}

// String returns p as in documents[3].documentRequest.name.
func (p path) String() string {
	var b strings.Builder
	for _, e := range p {
		if e.name == "" {
			b.WriteString("[" + strconv.Itoa(e.index) + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(e.name)
	}
	return b.String()
}

// consumed returns the number of bytes consumed.
func (l *lexer) consumed() int64 { return l.before + int64(l.pos) }

func (l *lexer) fault(f Fault, reason string) error {
	return &Error{Fault: f, Path: l.path.String(), Offset: l.consumed(), Reason: reason}
}

// fill makes at least one byte available.
func (l *lexer) fill() error {
	if l.pos < l.end {
		return nil
	}
	if l.err == nil {
		l.before += int64(l.end)
		l.pos, l.end, l.quote, l.clean = 0, 0, -1, 0
		for tries := 0; l.end == 0 && l.err == nil; tries++ {
			l.end, l.err = l.r.Read(l.buf)
			if tries == 100 {
				l.err = io.ErrNoProgress
			}
		}
	}
	if l.pos < l.end {
		return nil
	}
	if l.err == io.EOF {
		return l.fault(Truncated, "the JSON text ends too early")
	}
	return l.err
}

// advance consumes n bytes of the buffer.
func (l *lexer) advance(n int) {
	if l.recording {
		l.raw = append(l.raw, l.buf[l.pos:l.pos+n]...)
	}
	l.pos += n
}

// checkRaw enforces the limit of Raw. It is called at least once for each token and each buffer.
func (l *lexer) checkRaw() error {
	if l.recording && len(l.raw) > l.rawMax {
		return l.fault(TooLarge, "is longer than "+strconv.Itoa(l.rawMax)+" bytes")
	}
	return nil
}

// peek returns the first byte of the next token.
func (l *lexer) peek() (byte, error) {
	if !l.started {
		l.started = true
		if err := l.skipByteOrderMark(); err != nil {
			return 0, err
		}
	}
	for {
		if err := l.fill(); err != nil {
			return 0, err
		}
		switch c := l.buf[l.pos]; c {
		case ' ', '\t', '\n', '\r':
			l.pos++ // not recorded, because Raw leaves out the blanks between tokens
		default:
			return c, nil
		}
	}
}

// skipByteOrderMark ignores a UTF-8 byte order mark, as RFC 8259 8.1 allows, because some platforms
// write one.
func (l *lexer) skipByteOrderMark() error {
	for i, want := range []byte("\xEF\xBB\xBF") {
		if err := l.fill(); err != nil {
			return err
		}
		if l.buf[l.pos] != want {
			if i > 0 {
				return l.fault(Malformed, "not JSON")
			}
			return nil
		}
		l.pos++
	}
	return nil
}

// literal consumes a word.
func (l *lexer) literal(word string) error {
	for i := range len(word) {
		if err := l.fill(); err != nil {
			return err
		}
		if l.buf[l.pos] != word[i] {
			return l.fault(Malformed, "not JSON: an unknown word")
		}
		l.advance(1)
	}
	return nil
}

// expectEnd returns an error if anything but blanks follows the value.
func (l *lexer) expectEnd() error {
	for {
		if l.pos == l.end && l.err == nil {
			if err := l.fill(); err != nil && l.err != io.EOF {
				return err
			}
		}
		if l.pos == l.end {
			if l.err == io.EOF {
				return nil
			}
			return l.err
		}
		if !isSpace(l.buf[l.pos]) {
			return l.fault(Malformed, "not JSON: something follows the value")
		}
		l.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
