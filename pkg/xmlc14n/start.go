package xmlc14n

import (
	"bytes"
	"errors"
	"io"
)

// start finds out the encoding and skips the XML declaration.
func (t *Tokenizer) start() error {
	t.started = true
	head := make([]byte, 2*maxDeclarationBytes)
	n, err := io.ReadFull(t.in, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	encoding, mark, known := byteOrderMark(head)
	t.encoding = encoding
	t.base, t.atOff = int64(mark), int64(mark)
	rest := t.in
	decoded := func() io.Reader {
		return newDecoder(t.encoding, io.MultiReader(bytes.NewReader(head[mark:]), rest))
	}

	// The declaration has only ASCII characters, so that any encoding of one byte can read it.
	look := make([]byte, maxDeclarationBytes)
	n, err = newDecoder(encoding, bytes.NewReader(head[mark:])).Read(look) // reads all that fits
	if err != nil && n == 0 && !errors.Is(err, io.EOF) {
		t.in = decoded()
		return nil // the tokenizer finds the fault again
	}
	d := xmlDeclaration{b: look[:n]}
	d.parse()
	if d.reason == "" {
		t.encoding, d.reason = choose(encoding, known, string(d.encoding))
	}
	if d.reason != "" {
		off := t.base + encoding.originalBytes(look[:d.at])
		return &Error{Reason: d.reason, Offset: off, Line: 1 + bytes.Count(look[:d.at], []byte("\n"))}
	}
	t.in = decoded()
	if d.at == 0 {
		return nil
	}
	if _, reason := t.more(); reason != "" {
		return t.fault(reason, 0)
	}
	t.pos = min(d.at, t.end)
	return nil
}

// xmlDeclaration reads an XML declaration (XML 1.0 production 23).
type xmlDeclaration struct {
	b        []byte
	at       int // length of the declaration, or where the fault is
	encoding []byte
	reason   Reason
}

// parse reads the declaration at the start of d.b. Without a declaration d.at stays 0.
func (d *xmlDeclaration) parse() {
	const begin = "<?xml"
	if !bytes.HasPrefix(d.b, []byte(begin)) || len(d.b) == len(begin) || classes[d.b[len(begin)]]&spaceChar == 0 {
		return
	}
	d.at = len(begin)
	version, ok := d.attribute("version")
	if !ok {
		d.reason = Declaration
		return
	}
	if string(version) != "1.0" {
		d.reason = Version
		return
	}
	if encoding, ok := d.attribute("encoding"); ok {
		d.encoding = encoding
		if !encodingName(encoding) {
			d.reason = Declaration
			return
		}
	}
	if alone, ok := d.attribute("standalone"); ok && string(alone) != "yes" && string(alone) != "no" {
		d.reason = Declaration
		return
	}
	d.space()
	if !bytes.HasPrefix(d.b[d.at:], []byte("?>")) {
		d.reason = Declaration
		return
	}
	d.at += 2
}

// space skips blanks and says whether there were some.
func (d *xmlDeclaration) space() bool {
	from := d.at
	for d.at < len(d.b) && classes[d.b[d.at]]&spaceChar != 0 {
		d.at++
	}
	return d.at > from
}

// attribute reads ` name="value"`. If there is none, it stays where it is.
func (d *xmlDeclaration) attribute(name string) ([]byte, bool) {
	from := d.at
	if !d.space() || !bytes.HasPrefix(d.b[d.at:], []byte(name)) {
		d.at = from
		return nil, false
	}
	d.at += len(name)
	d.space()
	if d.at == len(d.b) || d.b[d.at] != '=' {
		return nil, false
	}
	d.at++
	d.space()
	if d.at == len(d.b) || d.b[d.at] != '"' && d.b[d.at] != '\'' {
		return nil, false
	}
	value := d.b[d.at+1:]
	length := bytes.IndexByte(value, d.b[d.at])
	if length < 0 {
		return nil, false
	}
	d.at += 1 + length + 1
	return value[:length], true
}

// encodingName says whether the name is well-formed (XML 1.0 production 81).
func encodingName(name []byte) bool {
	for i, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || classes[c]&nameChar == 0) {
			return false
		}
	}
	return len(name) > 0
}
