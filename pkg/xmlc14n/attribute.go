package xmlc14n

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// tagReader reads start tags from a window. It does not look at namespaces.
type tagReader struct {
	b       []byte
	i       int // what was read, or where the fault is
	attrs   []Attr
	sorted  []Attr // attrs in canonical order, if a shape tells it
	scratch []byte

	close    int    // index of ">" or "/>"
	empty    bool   // the tag ends with "/>"
	declares bool   // an attribute may be a namespace declaration
	prefixed bool   // an attribute has a prefix
	regular  bool   // attributes have single blanks in front, no blanks around "=" and double quotes
	tidy     bool   // the tag is written as canonical form writes it, apart from the order of attributes
	matched  *shape // of the first attributes; nil if they have another one
	reason   Reason
}

// read reads the rest of a tag, from b[i] behind the name on. It returns false if the tag goes on
// behind b. The attributes probably have the shape, unless it is nil.
func (r *tagReader) read(b []byte, i int, probable *shape) bool {
	r.b, r.i = b, i
	r.attrs, r.scratch = r.attrs[:0], r.scratch[:0]
	r.empty, r.declares, r.prefixed, r.reason = false, false, false, ""
	r.regular, r.tidy, r.matched = true, true, nil
	if probable != nil {
		r.expected(probable)
	}
	for r.i < len(r.b) {
		blanks := r.i
		for r.i < len(r.b) && classes[r.b[r.i]]&spaceChar != 0 {
			r.i++
		}
		blank := r.i > blanks
		if r.i == len(r.b) {
			return false
		}
		switch c := r.b[r.i]; {
		case c == '>':
			r.close = r.i
			r.tidy = r.tidy && !blank
			r.i++
			return true
		case c == '/':
			return r.slash()
		case !blank:
			r.reason = Syntax
			return true
		}
		if r.i != blanks+1 || r.b[blanks] != ' ' {
			r.regular, r.tidy = false, false
		}
		r.matched = nil
		if done := r.attribute(); !done {
			return false
		}
		if r.reason != "" {
			return true
		}
	}
	return false
}

// slash reads "/>".
func (r *tagReader) slash() bool {
	r.close = r.i
	r.tidy = false
	r.empty = true
	if r.i+1 == len(r.b) {
		return false
	}
	r.i++
	if r.b[r.i] != '>' {
		r.reason = Syntax
		return true
	}
	r.i++
	return true
}

// attribute reads name="value". It returns false if the attribute goes on behind the window.
func (r *tagReader) attribute() bool {
	at := r.i
	name, reason := scanName(r.b, at)
	r.i = name.to
	if reason != "" {
		r.reason = reason
		return true
	}
	r.equals()
	if r.reason != "" {
		return true
	}
	if r.i == len(r.b) {
		return false
	}
	quote := r.b[r.i]
	if quote != '"' && quote != '\'' {
		r.reason = Syntax
		return true
	}
	r.i++
	length := bytes.IndexByte(r.b[r.i:], quote)
	if length < 0 {
		return false
	}
	if len(r.attrs) == maxAttributes {
		r.i, r.reason = at, TooManyAttributes
		return true
	}
	value, plain := r.value(r.b[r.i : r.i+length])
	if r.reason != "" {
		return true
	}
	r.i += length + 1
	if quote == '\'' {
		plain = plain && bytes.IndexByte(value, '"') < 0
		r.regular, r.tidy = false, false
	}
	r.tidy = r.tidy && plain
	if r.b[at] == 'x' && bytes.HasPrefix(r.b[at:], []byte("xmlns")) {
		r.declares, r.tidy = true, false
	}
	r.prefixed = r.prefixed || name.colon >= name.from
	r.attrs = append(r.attrs, Attr{
		Name: r.b[name.from:name.to], Local: r.b[name.colon+1 : name.to], Value: value, binding: none, plain: plain, at: at,
	})
	return true
}

// equals skips "=" and blanks around it.
func (r *tagReader) equals() {
	if r.i < len(r.b) && r.b[r.i] == '=' && r.i+1 < len(r.b) && classes[r.b[r.i+1]]&spaceChar == 0 {
		r.i++
		return
	}
	r.regular, r.tidy = false, false
	for seen := false; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; {
		case classes[c]&spaceChar != 0:
		case c == '=' && !seen:
			seen = true
		default:
			if !seen {
				r.reason = Syntax
			}
			return
		}
	}
}

// value checks and normalizes the value of an attribute (XML 1.0 section 3.3.3). plain is true if
// the value is as written. If there is a fault, r.i is moved to it.
func (r *tagReader) value(raw []byte) (value []byte, plain bool) {
	i := skipPlain(raw, 0)
	for i < len(raw) && raw[i] == '>' {
		i = skipPlain(raw, i+1)
	}
	if i == len(raw) {
		return raw, true
	}
	from := len(r.scratch)
	r.scratch = append(r.scratch, raw[:i]...)
	plain = true
	for i < len(raw) {
		size, asWritten := r.character(raw[i:])
		if r.reason != "" {
			r.i += i
			return nil, false
		}
		plain = plain && asWritten
		i += size
		to := skipPlain(raw, i)
		r.scratch = append(r.scratch, raw[i:to]...)
		i = to
	}
	if plain {
		return raw, true
	}
	return r.scratch[from:], false
}

// character appends the normalized form of the character or reference at the start of raw. It
// returns the length of what it read.
func (r *tagReader) character(raw []byte) (size int, asWritten bool) {
	switch c := raw[0]; {
	case c == '>':
		r.scratch = append(r.scratch, c)
		return 1, true
	case c == '\r' && len(raw) > 1 && raw[1] == '\n':
		r.scratch = append(r.scratch, ' ')
		return 2, false
	case classes[c]&spaceChar != 0:
		r.scratch = append(r.scratch, ' ')
		return 1, false
	case c == '&':
		var char rune
		char, size, r.reason = reference(raw)
		r.scratch = utf8.AppendRune(r.scratch, char)
		return size, false
	case c < utf8.RuneSelf:
		r.reason = Syntax // "<", or a control character, which badCharacter finds
		return 0, false
	}
	char, size := utf8.DecodeRune(raw)
	if char == utf8.RuneError && size == 1 || !isChar(char) {
		r.reason = IllegalCharacter
		return 0, false
	}
	r.scratch = append(r.scratch, raw[:size]...)
	return size, true
}

// reference reads the reference at the start of raw, which is a whole token (XML 1.0 section 4.1).
func reference(raw []byte) (char rune, size int, reason Reason) {
	size = bytes.IndexByte(raw, ';') + 1
	if size == 0 {
		return 0, 0, Syntax
	}
	name := raw[1 : size-1]
	if len(name) > 0 && name[0] == '#' {
		char, reason = numericReference(name[1:])
		return char, size, reason
	}
	switch string(name) {
	case "amp":
		char = '&'
	case "lt":
		char = '<'
	case "gt":
		char = '>'
	case "quot":
		char = '"'
	case "apos":
		char = '\''
	default:
		reason = Syntax
		if n, fault := scanName(raw[:size], 1); fault == "" && n.to == size-1 {
			reason = Entity
		}
	}
	return char, size, reason
}

// numericReference returns the character with the number, which is "x" and hexadecimal digits or
// decimal digits.
func numericReference(number []byte) (rune, Reason) {
	base := 10
	if len(number) > 0 && number[0] == 'x' {
		base = 16
		number = number[1:]
	}
	for len(number) > 1 && number[0] == '0' {
		number = number[1:]
	}
	n, err := strconv.ParseUint(string(number), base, 32)
	if err != nil {
		if len(number) > 8 { // too long for a character, but still digits or not
			return 0, IllegalCharacter
		}
		return 0, Syntax
	}
	if n > utf8.MaxRune || !isChar(rune(n)) {
		return 0, IllegalCharacter
	}
	return rune(n), ""
}
