package xades

import (
	"encoding/base64"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// base64Text decodes the text of an element and writes it to w (XML Signature 1.1 section 6.6.2).
type base64Text struct {
	choose xmlc14n.Selector
	w      io.Writer // a hash or a keptForm, which return no error
	depth  int       // of the element while it is open
	done   bool
	ended  bool   // there was padding
	broken bool   // it is not base64
	text   []byte // not decoded yet, without blanks
	plain  []byte // scratch
}

// token takes the next token of the document.
func (b *base64Text) token(t *xmlc14n.Token) {
	start := t.Kind == xmlc14n.StartElement || t.Kind == xmlc14n.Leaf
	if start && b.depth == 0 && !b.done && b.choose(t) {
		b.depth, b.done = t.Depth, true
	}
	if b.depth == 0 {
		return
	}
	if t.Kind == xmlc14n.Text || t.Kind == xmlc14n.Leaf {
		b.add(t.Data())
	}
	if (t.Kind == xmlc14n.EndElement || t.Kind == xmlc14n.Leaf) && t.Depth == b.depth {
		b.depth = 0
	}
}

// add decodes the complete groups of four characters.
func (b *base64Text) add(data []byte) {
	for _, c := range data {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			b.text = append(b.text, c)
		}
	}
	whole := len(b.text) / 4 * 4
	b.decode(b.text[:whole])
	b.text = append(b.text[:0], b.text[whole:]...)
}

func (b *base64Text) decode(text []byte) {
	if len(text) == 0 {
		return
	}
	b.plain = append(b.plain[:0], make([]byte, base64.StdEncoding.DecodedLen(len(text)))...)
	n, err := base64.StdEncoding.Strict().Decode(b.plain, text)
	b.w.Write(b.plain[:n])
	b.broken = b.broken || b.ended || err != nil
	b.ended = text[len(text)-1] == '='
}

// wrong says whether the text was not base64.
func (b *base64Text) wrong() bool { return b.broken || len(b.text) > 0 }
