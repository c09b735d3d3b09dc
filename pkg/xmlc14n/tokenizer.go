package xmlc14n

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// Tokenizer reads a document and reports its tokens. It must not be used by several goroutines at
// once.
type Tokenizer struct {
	// Leaves makes the tokenizer report fewer tokens, which is faster. Short elements with nothing but
	// text become one token of kind [Leaf]. Blanks between tags are not reported, but belong to the
	// tag behind them; [Canonicalizer] writes them. It may be set at any time.
	Leaves bool

	window
	scope   scope
	places  places
	token   Token
	tag     tagReader
	char    []byte // data of a token that differs from the window
	section section

	ready   bool // Next can expect ordinary content at pos
	started bool
	root    bool  // the root element has started
	leaf    bool  // the token is a leaf that is not in scope.elements
	closing bool  // the innermost element ended with the last token
	empty   bool  // the innermost element was written <a/>, and its end was not reported yet
	failed  error // what every further call of Next returns
}

// NewTokenizer returns a tokenizer of the document that r gives. It finds out the encoding from the
// first bytes and the XML declaration.
func NewTokenizer(r io.Reader) *Tokenizer {
	t := &Tokenizer{}
	t.in = r
	t.scope.init()
	t.token.src = t
	t.places.slot = &t.places.root.first
	return t
}

// Encoding returns the encoding of the document. It is known after the first call of Next.
func (t *Tokenizer) Encoding() Encoding { return t.encoding }

// Next returns the next token. At the end of a correct document the error is [io.EOF]. A document
// that is refused gives an [*Error]; other errors are those of the reader. After an error every
// call returns the same error.
func (t *Tokenizer) Next() (*Token, error) {
	if t.closing {
		t.closing = false
		t.scope.pop()
	}
	t.leaf = false
	if t.ready && (t.Leaves && t.foreseen() || t.common()) {
		return &t.token, nil
	}
	if t.failed == nil {
		t.failed = t.advance()
		t.ready = t.failed == nil && !t.empty && t.section.kind == 0
		if t.failed != nil {
			t.release()
		}
	}
	if t.failed != nil {
		return nil, t.failed
	}
	return &t.token, nil
}

// common reads one of the tokens that make up most of a document, if the window has all of it: text
// without references, an end tag without blanks, a start tag as it stood in the same place before.
// It returns false for all others.
func (t *Tokenizer) common() bool {
	b := t.buf[:t.end]
	pos := t.pos
	if len(b)-pos < 2 || len(t.scope.elements) == 0 {
		return false
	}
	if b[pos] == '<' {
		return t.commonTag(b, pos)
	}
	i := skipBlanks(b, pos)
	if t.Leaves && i > pos && i+1 < len(b) && b[i] == '<' && (b[i+1] != '/' || t.token.ends()) && t.commonTag(b, i) {
		t.token.lead = pos
		t.rememberLed(b, pos)
		return true
	}
	plain := true
	if i = skipPlain(b, i); i == len(b) || b[i] != '<' {
		var reason Reason
		if i, plain, reason = scanText(b, pos); i == len(b) || i == pos || reason != "" {
			return false
		}
	}
	t.emit(Text, pos, i).plain = plain
	return true
}

// foreseen reads the tag that is expected, with the same blanks in front of it as the last time.
func (t *Tokenizer) foreseen() bool {
	if len(t.scope.elements) == 0 {
		return false
	}
	b := t.buf[:t.end]
	pos := t.pos
	if p := *t.places.slot; p != nil && p.started.isAt(b[pos:]) {
		x, reason := t.scope.admit(p)
		if reason != "" {
			return false
		}
		at, to := pos+p.started.lead, pos+len(p.started.text)
		if end, references := leafText(b, to, p); end >= 0 {
			t.emitLeaf(p, x, at, to, end, p.started.attrs).references = references
		} else {
			t.pos = at
			t.bareTag(p, x, to, p.started.attrs)
		}
		t.token.lead = pos
		return true
	}
	e := t.scope.innermost()
	if !t.token.ends() || !e.place.ended.isAt(b[pos:]) {
		return false
	}
	t.emitEnd(e, pos+e.place.ended.lead, pos+len(e.place.ended.text))
	t.token.lead = pos
	return true
}

// rememberLed remembers the tag of the token that commonTag found behind blanks at b[from], so that
// foreseen finds it the next time.
func (t *Tokenizer) rememberLed(b []byte, from int) {
	tok := &t.token
	led, to := &tok.place.started, tok.close+1
	if tok.Kind == EndElement {
		led, to = &tok.place.ended, tok.end
	}
	led.remember(b[from:to], tok.at-from, tok.Attrs)
}

// commonTag reads the tag at b[pos], or a whole leaf, unless that takes more than common promises.
func (t *Tokenizer) commonTag(b []byte, pos int) bool {
	rest := b[pos:]
	if rest[1] == '/' {
		e := t.scope.innermost()
		if !bytes.HasPrefix(rest, e.place.end) {
			return false
		}
		t.emitEnd(e, pos, pos+len(e.place.end))
		return true
	}
	p := *t.places.slot
	if p == nil {
		return false
	}
	tag, attrs := p.startTag(rest)
	if tag == nil {
		return false
	}
	x, reason := t.scope.admit(p)
	if reason != "" {
		return false
	}
	to := pos + len(tag)
	if t.Leaves {
		if end, references := leafText(b, to, p); end >= 0 {
			t.emitLeaf(p, x, pos, to, end, attrs).references = references
			return true
		}
	}
	t.pos = pos
	t.bareTag(p, x, to, attrs)
	return true
}

// advance puts the next token into t.token.
func (t *Tokenizer) advance() error {
	switch {
	case t.empty:
		t.empty = false
		t.emitEnd(t.scope.innermost(), t.pos, t.pos)
		return nil
	case !t.started:
		if err := t.start(); err != nil {
			return err
		}
	case t.section.kind != 0:
		if found, err := t.piece(); found || err != nil {
			return err
		}
	}
	for {
		if t.end-t.pos < 2 {
			if _, reason := t.more(); reason != "" {
				return t.fault(reason, t.pos)
			}
		}
		if t.pos == t.end {
			return t.finish()
		}
		var found bool
		var err error
		switch {
		case t.buf[t.pos] == '<':
			found, err = t.markup()
		case len(t.scope.elements) > 0:
			found, err = t.text()
		default:
			err = t.outside()
		}
		if found || err != nil {
			return err
		}
	}
}

// finish returns the error at the end of the input.
func (t *Tokenizer) finish() error {
	switch {
	case t.err != io.EOF || len(t.scope.elements) > 0:
		return t.ended(Incomplete)
	case !t.root:
		return t.ended(NoRoot)
	}
	return io.EOF
}

// markup reads what starts with "<". It returns false if there is no token to report.
func (t *Tokenizer) markup() (bool, error) {
	if t.pos+1 == t.end {
		return false, t.ended(Incomplete)
	}
	switch t.buf[t.pos+1] {
	case '/':
		return true, t.endTag()
	case '!':
		return t.declaration()
	case '?':
		return t.instruction()
	}
	if t.root && len(t.scope.elements) == 0 {
		return false, t.fault(SecondRoot, t.pos)
	}
	return true, t.startTag()
}

// declaration reads what starts with "<!".
func (t *Tokenizer) declaration() (bool, error) {
	const longest = len("<![CDATA[")
	if t.end-t.pos < longest {
		if _, reason := t.more(); reason != "" {
			return false, t.fault(reason, t.pos)
		}
	}
	b := t.buf[t.pos:t.end]
	switch {
	case bytes.HasPrefix(b, []byte("<!--")):
		return t.open(section{kind: Comment, end: "--"}, 4)
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		if len(t.scope.elements) == 0 {
			return false, t.fault(t.outsideReason(), t.pos)
		}
		return t.open(section{kind: Text, end: "]]>"}, longest)
	case bytes.HasPrefix(b, []byte("<!DOCTYPE")):
		return false, t.fault(Doctype, t.pos)
	case len(b) < longest:
		return false, t.ended(Incomplete)
	}
	return false, t.fault(Syntax, t.pos)
}

// outside skips blanks outside the root element. Anything else is refused.
func (t *Tokenizer) outside() error {
	for t.pos < t.end && t.buf[t.pos] != '<' {
		if classes[t.buf[t.pos]]&spaceChar == 0 {
			return t.badCharacter(t.pos, t.outsideReason())
		}
		t.pos++
	}
	return nil
}

// outsideReason returns why text outside the root element is refused. Text in front of the root, or
// without any root, usually means that the input is no XML at all. Text that follows the root means
// that an XML document was damaged.
func (t *Tokenizer) outsideReason() Reason {
	if t.root {
		return AfterRoot
	}
	return OutsideRoot
}

// badCharacter returns the error for the character at buf[i]: reason, unless the character itself
// is not allowed.
func (t *Tokenizer) badCharacter(i int, reason Reason) error {
	if i >= t.end {
		return t.ended(Incomplete)
	}
	r, size := utf8.DecodeRune(t.buf[i:t.end])
	switch {
	case r == utf8.RuneError && size == 1:
		reason = EncodingBytes
	case !isChar(r):
		reason = IllegalCharacter
	}
	return t.fault(reason, i)
}

// emit starts a token of the kind that covers buf[from:to], and moves behind it.
func (t *Tokenizer) emit(kind Kind, from, to int) *Token {
	tok := &t.token
	tok.Kind = kind
	tok.Depth = t.scope.depth()
	tok.at, tok.end = from, to
	tok.lead = from
	tok.from, tok.to = from, to
	tok.inSection, tok.replaced, tok.references, tok.plain = false, false, false, false
	t.pos = to
	return tok
}
