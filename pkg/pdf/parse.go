package pdf

import (
	"strconv"
)

// parser builds objects from tokens (ISO 32000-2 7.3).
type parser struct {
	lex *lexer
	// spans collects where the items of the outermost dictionary are; nil if nobody needs that.
	spans *[]span
	items int // values read so far
}

// span is where an item is in the file: from its first byte to behind its last one.
type span struct{ start, end int64 }

// object reads one object that ends by itself. Only list and top recognise references, because a
// reference starts with two numbers. If a keyword comes instead, object returns that.
func (p *parser) object(depth int) (Object, string, error) {
	t, err := p.lex.next()
	if err != nil {
		return nil, "", err
	}
	switch t.kind {
	case tokenNumber:
		return Number(t.value), "", nil
	case tokenString:
		return String{Value: t.value, source: t.source}, "", nil
	case tokenName:
		return Name(t.value), "", nil
	case tokenArrayOpen:
		items, err := p.list(depth+1, tokenArrayClose)
		return Array(items), "", err
	case tokenDictOpen:
		d, err := p.dict(depth + 1)
		return d, "", err
	case tokenKeyword:
		switch t.value {
		case "true":
			return true, "", nil
		case "false":
			return false, "", nil
		case "null":
			return nil, "", nil
		}
		return nil, t.value, nil
	case tokenEOF:
		return nil, "", damaged("it ends inside an object")
	}
	return nil, "", damaged("a bracket is closed that was not opened")
}

// list reads objects up to the closing token.
func (p *parser) list(depth int, until tokenKind) ([]Object, error) {
	if depth > maxDepth {
		return nil, tooComplex("objects are nested deeper than %d", maxDepth)
	}
	items := []Object{}
	for {
		p.lex.skipSpace()
		if p.closes(until) {
			return items, nil
		}
		start := p.lex.offset()
		o, keyword, err := p.object(depth)
		switch {
		case err != nil:
			return nil, err
		case keyword == "R":
			if items, err = fold(items); err != nil {
				return nil, err
			}
		case keyword != "":
			return nil, damaged("an object contains an unknown word")
		default:
			if p.items++; p.items > maxItems {
				return nil, tooComplex("one object contains more than %d values", maxItems)
			}
			items = append(items, o)
		}
		if p.spans != nil && depth == 1 {
			if keyword == "R" { // it starts with the first of the two numbers
				start = (*p.spans)[len(items)-1].start
			}
			*p.spans = append((*p.spans)[:len(items)-1], span{start, p.lex.offset()})
		}
	}
}

// closes takes the closing token if it comes next.
func (p *parser) closes(until tokenKind) bool {
	switch {
	case until == tokenArrayClose && p.lex.peek() == ']':
		p.lex.pos++
		return true
	case until == tokenDictClose && p.lex.peek() == '>' && p.lex.peekAt(1) == '>':
		p.lex.pos += 2
		return true
	}
	return false
}

// fold turns the last two numbers into a reference.
func fold(items []Object) ([]Object, error) {
	if n := len(items); n >= 2 {
		number, ok1 := small(items[n-2], maxObjects)
		generation, ok2 := small(items[n-1], 65535)
		if ok1 && ok2 {
			return append(items[:n-2], Ref{number, generation}), nil
		}
	}
	return nil, damaged("a reference is not made of two numbers")
}

// small returns a plain number from 0 to limit, and false for anything else.
func small(o Object, limit int64) (int, bool) {
	n, ok := o.(Number)
	if !ok {
		return 0, false
	}
	v, ok := n.Int()
	return int(v), ok && v >= 0 && v <= limit
}

func (p *parser) dict(depth int) (*Dict, error) {
	items, err := p.list(depth, tokenDictClose)
	if err != nil {
		return nil, err
	}
	if len(items)%2 != 0 {
		return nil, damaged("a dictionary has a key without a value")
	}
	d := &Dict{}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(Name)
		if !ok {
			return nil, damaged("a dictionary has a key that is not a name")
		}
		d.add(key, items[i+1])
	}
	return d, nil
}

// top reads the content of an indirect object up to endobj or stream, and returns that word. It is
// damage if another object starts, or if the data ends, before that word.
func (p *parser) top() (Object, string, error) {
	var items []Object
	for {
		o, keyword, err := p.object(0)
		switch {
		case err != nil:
			return nil, "", err
		case keyword == "R":
			if items, err = fold(items); err != nil {
				return nil, "", err
			}
		case keyword == "endobj" && len(items) == 0:
			return nil, keyword, nil // an empty object counts as null
		case keyword == "endobj" || keyword == "stream":
			if len(items) != 1 {
				return nil, "", damaged("an object contains more than one value")
			}
			return items[0], keyword, nil
		case keyword != "":
			return nil, "", damaged("an object has no end")
		case len(items) == 3:
			return nil, "", damaged("an object contains more than one value")
		default:
			items = append(items, o)
		}
	}
}

// header reads "number generation obj".
func (p *parser) header() (Ref, error) {
	var v [2]int
	for i, limit := range []int64{maxObjects, 65535} {
		t, err := p.lex.next()
		if err != nil {
			return Ref{}, err
		}
		n, ok := small(Number(t.value), limit)
		if t.kind != tokenNumber || !ok {
			return Ref{}, damaged("there is no object at byte %d", p.lex.offset())
		}
		v[i] = n
	}
	t, err := p.lex.next()
	if err != nil {
		return Ref{}, err
	}
	if t.kind != tokenKeyword || t.value != "obj" {
		return Ref{}, damaged("there is no object at byte %d", p.lex.offset())
	}
	return Ref{v[0], v[1]}, nil
}

// decryptStrings decrypts the strings in o, which only the caller uses. The /Contents of a
// signature dictionary is not encrypted (ISO 32000-2 7.6.2).
func decryptStrings(o Object, decrypt func(string) (string, error)) (Object, error) {
	switch v := o.(type) {
	case String:
		s, err := decrypt(v.Value)
		return String{Value: s}, err
	case Array:
		for i := range v {
			n, err := decryptStrings(v[i], decrypt)
			if err != nil {
				return nil, err
			}
			v[i] = n
		}
	case *Dict:
		for i, k := range v.keys {
			if k == "Contents" && v.Has("ByteRange") {
				continue
			}
			n, err := decryptStrings(v.values[i], decrypt)
			if err != nil {
				return nil, err
			}
			v.values[i] = n
		}
	}
	return o, nil
}

// Version is a PDF version such as 1.7.
type Version struct{ Major, Minor int }

// Less reports whether v is older than w.
func (v Version) Less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// parseVersion reads a version of the form 1.7.
func parseVersion(s string) (Version, bool) {
	if len(s) < 3 || !isDigit(int(s[0])) || s[1] != '.' || !isDigit(int(s[2])) {
		return Version{}, false
	}
	return Version{int(s[0] - '0'), int(s[2] - '0')}, true
}
