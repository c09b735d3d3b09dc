package xmlc14n

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// section is a comment, a processing instruction or a CDATA section that is being read.
type section struct {
	kind  Kind // Text for a CDATA section, 0 outside of sections
	end   string
	begun bool   // a piece was reported
	start int64  // offset of its first byte
	name  []byte // target of a processing instruction
	blank bool   // blanks in front of the data are still to be skipped
}

// instruction reads the start of a processing instruction.
func (t *Tokenizer) instruction() (bool, error) {
	for {
		b := t.buf[:t.end]
		from := t.pos + 2
		to := scanNCName(b, from)
		if to+1 < len(b) {
			return t.target(from, to)
		}
		if err := t.refill(); err != nil {
			return false, err
		}
	}
}

// target checks the target of a processing instruction, buf[from:to], and reads the first piece.
func (t *Tokenizer) target(from, to int) (bool, error) {
	name, next := t.buf[from:to], t.buf[to]
	switch {
	case to == from:
		return false, t.badCharacter(to, Syntax)
	case to-t.pos > maxTagBytes:
		return false, t.fault(TagTooLong, t.pos)
	case strings.EqualFold(string(name), "xml"):
		return false, t.fault(Declaration, t.pos)
	case next == ':':
		return false, t.fault(QualifiedName, to)
	case next == '?' && t.buf[to+1] == '>':
	case classes[next]&spaceChar == 0:
		return false, t.badCharacter(to, Syntax)
	}
	s := section{kind: ProcInst, end: "?>", name: append(t.section.name[:0], name...), blank: true}
	return t.open(s, to-t.pos)
}

// open starts the section at pos, whose content starts length bytes later, and reads its first
// piece.
func (t *Tokenizer) open(s section, length int) (bool, error) {
	s.start = t.offset(t.pos)
	t.section = s
	t.pos += length
	return t.piece()
}

// piece reads the next piece of the section. It returns false if the section ended without one.
func (t *Tokenizer) piece() (bool, error) {
	for {
		if t.section.blank && !t.skipBlanks() {
			if err := t.refill(); err != nil {
				return false, err
			}
			continue
		}
		content, last := t.pieceContent()
		if len(content) == 0 && !last {
			if err := t.refill(); err != nil {
				return false, err
			}
			continue
		}
		if len(content) > 1 && content[0] == '\r' && content[1] == '\n' {
			t.pos++ // of CR LF the CR goes
			continue
		}
		if last && t.section.kind == Comment && t.buf[t.pos+len(content)+2] != '>' {
			return false, t.badCharacter(t.pos+len(content)+2, Syntax)
		}
		return t.emitPiece(content, last)
	}
}

// skipBlanks skips blanks in front of the data of a processing instruction. It returns false if
// there may be more behind the window.
func (t *Tokenizer) skipBlanks() bool {
	for t.pos < t.end {
		if classes[t.buf[t.pos]]&spaceChar == 0 {
			t.section.blank = false
			return true
		}
		t.pos++
	}
	return false
}

// pieceContent returns the content at pos that can be reported at once. It ends at the end of the
// section (last is true), before a carriage return, or where the window or a piece ends. A carriage
// return at its start stands alone or with the line feed behind it.
func (t *Tokenizer) pieceContent() (content []byte, last bool) {
	b := t.buf[t.pos:min(t.end, t.pos+sectionPieceBytes)]
	mark := len(t.section.end)
	if t.section.kind == Comment {
		mark++ // the character behind "--" is looked at as well
	}
	cr := bytes.IndexByte(b, '\r')
	line := b
	if cr >= 0 {
		line = b[:cr]
	}
	to := bytes.Index(line, []byte(t.section.end))
	switch {
	case to >= 0:
		return b[:to], to+mark <= len(b)
	case cr > 0:
		return line, false
	case cr == 0 && len(b) > 1 && b[1] == '\n':
		return b[:2], false
	case cr == 0 && len(b) > 1:
		return b[:1], false
	case cr == 0:
		return nil, false
	}
	return b[:wholeCharacters(b, max(0, len(b)-mark+1))], false
}

// emitPiece reports a piece of the section. It returns false for an empty CDATA section.
func (t *Tokenizer) emitPiece(content []byte, last bool) (bool, error) {
	s := &t.section
	plain, bad := checkChars(content)
	if bad >= 0 {
		return false, t.badCharacter(t.pos+bad, IllegalCharacter)
	}
	from := t.pos
	to := from + len(content)
	end := to
	if last {
		end += len(s.end)
		if s.kind == Comment {
			end++
		}
	}
	tok := t.emit(s.kind, from, end)
	tok.from, tok.to = from, to
	tok.plain = plain
	tok.inSection = true
	if len(content) == 1 && content[0] == '\r' {
		t.char = append(t.char[:0], '\n')
		tok.replaced, tok.plain = true, false
	}
	tok.First, tok.Last = !s.begun, last
	s.begun = true
	if last {
		s.kind = 0
	}
	return !tok.CDATA() || len(content) > 0, nil
}

// checkChars returns the index of the first character that is not allowed, or -1, and whether no
// character needs escaping in text.
func checkChars(b []byte) (plain bool, bad int) {
	plain = true
	for i := 0; ; i++ {
		i = skipPlain(b, i)
		if i == len(b) {
			return plain, -1
		}
		switch c := b[i]; {
		case c >= utf8.RuneSelf:
			size := charSize(b[i:])
			if size <= 0 {
				return false, i
			}
			i += size - 1
		case c < 0x20:
			if classes[c]&spaceChar == 0 {
				return false, i
			}
		default: // & < >
			plain = false
		}
	}
}
