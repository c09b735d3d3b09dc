package xmlc14n

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// flat returns the tokens of a document as text, with the pieces of text joined.
func flat(t *testing.T, doc string, leaves bool) string {
	t.Helper()
	tokens := NewTokenizer(strings.NewReader(doc))
	tokens.Leaves = leaves
	var b bytes.Buffer
	element := func(tok *Token) {
		b.WriteString("<" + string(tok.Name()) + " " + string(tok.Space()))
		for _, a := range tok.Attrs {
			b.WriteString(" " + string(a.Name) + "=" + string(a.Value))
		}
		b.WriteString(">")
	}
	for {
		tok, err := tokens.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Write(tokens.buf[tok.lead:tok.at])
		if got := tokens.Context().Depth; got != tok.Depth {
			t.Fatalf("token of depth %d in a context of depth %d", tok.Depth, got)
		}
		switch tok.Kind {
		case StartElement:
			element(tok)
		case EndElement:
			b.WriteString("</" + string(tok.Name()) + ">")
		case Leaf:
			element(tok)
			b.Write(tok.Data())
			b.WriteString("</" + string(tok.Name()) + ">")
		case Text:
			b.Write(tok.Data())
		default:
			b.WriteString("<!")
			b.Write(tok.Data())
		}
	}
}

// TestLeaves checks that a tokenizer that reports leaves reports the same document.
func TestLeaves(t *testing.T) {
	docs := []string{
		"<r> \n\t<a>1</a><a>é &amp; &lt;&gt;</a> <a>&#38;</a>&amp;<a>&amp;</a><a>x]]&gt;</a>\n</r>",
		"<r><a>1</a><a> </a>\n<a>\r\n</a> \r\n<a>>&amp;</a><a>\n</a><a><b/></a> <a/> <!-- x --> </r>",
		"<r>\n <a><b>1</b>\n</a>\n <a><b>1</b>\n</a>\n x <a>y</a> z\n</r>",
		"<r><a k='1'>&amp;</a><a k='1'>&amp;</a><a>" + strings.Repeat("é&lt;", windowBytes) + "</a></r>",
	}
	for seed := range uint64(200) {
		doc, _ := generate(seed)
		docs = append(docs, doc)
	}
	for i, doc := range docs {
		if got, want := flat(t, doc, true), flat(t, doc, false); got != want {
			t.Errorf("document %d with leaves: %s", i, difference([]byte(got), []byte(want)))
		}
	}
}

// TestLeavesTwice gives the same tokens to several canonicalizers, some of which could leave out
// elements. All must write the same.
func TestLeavesTwice(t *testing.T) {
	omit := func(*Token) bool { return false }
	for seed := range uint64(50) {
		doc, _ := generate(seed)
		for _, form := range forms {
			outs := make([]bytes.Buffer, 4)
			var cs []*Canonicalizer
			for i := range outs {
				cfg := Config{Form: form}
				if i%2 == 0 {
					cfg.Omit = omit
				}
				cs = append(cs, New(&outs[i], cfg))
			}
			if err := Canonicalize(NewTokenizer(strings.NewReader(doc)), cs...); err != nil {
				t.Fatal(err)
			}
			for i := range outs {
				if !bytes.Equal(outs[i].Bytes(), outs[0].Bytes()) {
					t.Errorf("seed %d, %s, canonicalizer %d: %s", seed, form.URI(), i, difference(outs[i].Bytes(), outs[0].Bytes()))
				}
			}
		}
	}
}
