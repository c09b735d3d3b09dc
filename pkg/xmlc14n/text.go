package xmlc14n

import (
	"bytes"
	"unicode/utf8"
)

// text reads a piece of text at pos, which is not "<". It returns false if it reported nothing.
func (t *Tokenizer) text() (bool, error) {
	switch t.buf[t.pos] {
	case '&':
		return t.textReference()
	case '\r':
		return t.carriageReturn()
	}
	to, plain, reason := scanText(t.buf[:t.end], t.pos)
	if reason != "" {
		return true, t.badCharacter(to, reason)
	}
	if to == t.end {
		to = t.holdBack(to)
	}
	if to == t.pos {
		return false, t.refill()
	}
	t.emit(Text, t.pos, to).plain = plain
	return true, nil
}

// refill reads more of the input when the rest of the window is only the start of something.
func (t *Tokenizer) refill() error {
	more, reason := t.more()
	switch {
	case reason != "":
		return t.fault(reason, t.pos)
	case !more && t.pos < t.end && !utf8.FullRune(t.buf[t.pos:t.end]):
		return t.fault(EncodingBytes, t.pos)
	case !more:
		return t.ended(Incomplete)
	}
	return nil
}

// scanText returns the index of the end of the text that starts at b[i]: before "<", "&", a
// carriage return, or what is behind b. plain is false if a character needs escaping.
func scanText(b []byte, i int) (to int, plain bool, reason Reason) {
	return scanTextFrom(b, i, skipPlain(b, i))
}

// scanTextFrom is scanText for text that starts at b[from] and has only ordinary characters up to
// b[i].
func scanTextFrom(b []byte, from, i int) (to int, plain bool, reason Reason) {
	plain = true
	for ; ; i = skipPlain(b, i) {
		if i == len(b) {
			return i, plain, ""
		}
		switch c := b[i]; {
		case c == '\n', c == '\t':
			i++
		case c == '<', c == '&', c == '\r':
			return i, plain, ""
		case c == '>':
			if i-from >= 2 && b[i-1] == ']' && b[i-2] == ']' {
				return i - 2, false, SectionEnd
			}
			plain = false
			i++
		case c < utf8.RuneSelf:
			return i, false, IllegalCharacter
		default:
			size := charSize(b[i:])
			switch {
			case size == 0:
				return i, false, IllegalCharacter
			case size < 0:
				return len(b), plain, ""
			}
			i += size
		}
	}
}

// scanRun is scanTextFrom, but the text may have references that canonical form writes in the same
// way. references is true if it has.
func scanRun(b []byte, from, i int) (to int, references bool, plain bool, reason Reason) {
	for {
		to, plain, reason = scanTextFrom(b, from, i)
		size := 0
		if plain && reason == "" && to < len(b) && b[to] == '&' {
			size = sameReference(b[to:])
		}
		if size == 0 {
			return to, references, plain, reason
		}
		references = true
		from = to + size
		i = skipPlain(b, from)
	}
}

// sameReference returns the length of the reference that b starts with if canonical form has the
// same reference in text, else 0 (Canonical XML 1.0 section 2.3).
func sameReference(b []byte) int {
	switch {
	case len(b) >= 5 && string(b[:5]) == "&amp;":
		return 5
	case len(b) >= 4 && (string(b[:4]) == "&lt;" || string(b[:4]) == "&gt;"):
		return 4
	}
	return 0
}

// replaceReferences appends text that scanRun has read to dst, with references replaced.
func replaceReferences(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			return append(dst, text...)
		}
		char, size, _ := reference(text[at:])
		dst = utf8.AppendRune(append(dst, text[:at]...), char)
		text = text[at+size:]
	}
}

// charSize returns the length of the character beyond ASCII that b starts with: 0 if it is not
// allowed, -1 if it goes on behind b.
func charSize(b []byte) int {
	// Most such characters of European documents have two bytes, and all of these are allowed.
	if b[0] >= 0xC2 && b[0] < 0xE0 && len(b) > 1 && b[1]&0xC0 == 0x80 {
		return 2
	}
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size == 1:
		if utf8.FullRune(b) {
			return 0
		}
		return -1
	case !isChar(r):
		return 0
	}
	return size
}

// holdBack returns where a piece of text that reaches the end of the window must end, so that the
// next piece starts with a whole character and no "]]>" is cut.
func (t *Tokenizer) holdBack(to int) int {
	to = t.pos + wholeCharacters(t.buf[t.pos:to], to-t.pos)
	for n := 0; n < 2 && to > t.pos && t.buf[to-1] == ']'; n++ {
		to--
	}
	return to
}

// wholeCharacters returns the length of the longest part of b[:n] that ends with a whole character.
func wholeCharacters(b []byte, n int) int {
	for i := max(0, n-utf8.UTFMax+1); i < n; i++ {
		if b[i] >= utf8.RuneSelf && utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:n]) {
			return i
		}
	}
	return n
}

// carriageReturn reads the line break at pos (XML 1.0 section 2.11). Of CR LF it skips the CR.
func (t *Tokenizer) carriageReturn() (bool, error) {
	if t.pos+1 == t.end {
		return false, t.refill()
	}
	if t.buf[t.pos+1] == '\n' {
		t.pos++
		return false, nil
	}
	t.char = append(t.char[:0], '\n')
	t.emit(Text, t.pos, t.pos+1).replaced = true
	return true, nil
}

// isReferenceByte says whether the byte may stand between "&" and ";".
func isReferenceByte(c byte) bool {
	return classes[c]&nameChar != 0 || c == '#' || c == ':' || c >= utf8.RuneSelf
}

// textReference reads the reference at pos.
func (t *Tokenizer) textReference() (bool, error) {
	to := t.pos + 1
	for to < t.end && to-t.pos < maxReferenceBytes && isReferenceByte(t.buf[to]) {
		to++
	}
	switch {
	case to < t.end && t.buf[to] != ';':
		return false, t.fault(Syntax, t.pos)
	case to == t.end:
		return false, t.refill()
	}
	char, size, reason := reference(t.buf[t.pos:t.end])
	if reason != "" {
		return false, t.fault(reason, t.pos)
	}
	t.char = utf8.AppendRune(t.char[:0], char)
	t.emit(Text, t.pos, t.pos+size).replaced = true
	return true, nil
}
