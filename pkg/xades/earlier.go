package xades

import (
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// Limits of the signatures that are already in a document.
const (
	// maxReferences bounds the references of all signatures. A signature has two or three.
	maxReferences = 1000
	// maxExpressionBytes bounds an XPath expression. The ones that are understood have 45 bytes.
	maxExpressionBytes = 1024
)

// earlierReference is a reference of a signature that is already in the document.
type earlierReference struct {
	uri string
	// tolerant says that a transform leaves out all signatures, so that a further signature does not
	// break the reference. It is the transform.
	tolerant  bool
	transform transform
}

// covers says whether the reference covers an element with one of the Ids, which are those of the
// elements around a place.
func (r *earlierReference) covers(ids []string) bool {
	name, local := strings.CutPrefix(r.uri, "#")
	switch {
	case r.uri == "" || local && strings.HasPrefix(name, "xpointer("):
		return true // what an XPointer other than a name selects is not examined
	case !local:
		return false // another document
	}
	return slices.Contains(ids, name)
}

// earlierSignatures collects the references of the signatures in a document.
type earlierSignatures struct {
	references []earlierReference
	depth      int // of the outermost open signature; 0 outside of signatures
	open       bool
	current    earlierReference // while open
	expression *expression      // the open XPath element
}

// expression is the text of an XPath element.
type expression struct {
	text      []byte
	subtracts bool // filter2
	transform transform
	prefixes  []string // bound to the namespace of signatures
}

// inside says whether the current element is a signature or inside one.
func (e *earlierSignatures) inside() bool { return e.depth != 0 }

// token takes the next token.
func (e *earlierSignatures) token(t *xmlc14n.Token, context func() xmlc14n.Context) error {
	switch t.Kind {
	case xmlc14n.StartElement, xmlc14n.Leaf:
		if e.depth == 0 && !t.Is(dsNamespace, "Signature") {
			return nil
		}
		e.start(t, context)
		if t.Kind == xmlc14n.Leaf {
			e.text(t)
			return e.end(t)
		}
	case xmlc14n.Text:
		if e.expression != nil {
			e.text(t)
		}
	case xmlc14n.EndElement:
		if e.depth != 0 {
			return e.end(t)
		}
	}
	return nil
}

func (e *earlierSignatures) start(t *xmlc14n.Token, context func() xmlc14n.Context) {
	switch {
	case e.depth == 0:
		e.depth = t.Depth
	case t.Is(dsNamespace, "Reference"):
		uri, _ := t.Attr("", "URI")
		e.open, e.current = true, earlierReference{uri: string(uri)}
	case e.open && t.Is(dsNamespace, "XPath"):
		e.expression = &expression{transform: xpath, subtracts: true, prefixes: signaturePrefixes(context())}
	case e.open && t.Is(filter2URI, "XPath"):
		filter, _ := t.Attr("", "Filter")
		e.expression = &expression{
			transform: filter2, subtracts: string(filter) == "subtract", prefixes: signaturePrefixes(context()),
		}
	}
}

func (e *earlierSignatures) text(t *xmlc14n.Token) {
	if x := e.expression; x != nil && len(x.text) <= maxExpressionBytes {
		x.text = append(x.text, t.Data()...)
	}
}

func (e *earlierSignatures) end(t *xmlc14n.Token) error {
	switch {
	case t.Depth == e.depth:
		e.depth = 0
	case e.expression != nil:
		if e.expression.leavesOutSignatures() {
			e.current.tolerant, e.current.transform = true, e.expression.transform
		}
		e.expression = nil
	case e.open && t.Is(dsNamespace, "Reference"):
		e.open = false
		if len(e.references) == maxReferences {
			return signing.Errorf(signing.KindTooComplex, "the signatures in the XML have more than %d references",
				maxReferences)
		}
		e.references = append(e.references, e.current)
	}
	return nil
}

// signaturePrefixes returns the prefixes that are bound to the namespace of signatures.
func signaturePrefixes(c xmlc14n.Context) (prefixes []string) {
	for _, n := range c.Namespaces {
		if n.URI == dsNamespace && n.Prefix != "" {
			prefixes = append(prefixes, n.Prefix)
		}
	}
	return prefixes
}

// leavesOutSignatures says whether the expression is one of the few that leave out all signatures
// and nothing else.
func (x *expression) leavesOutSignatures() bool {
	if len(x.text) > maxExpressionBytes {
		return false
	}
	text := strings.Join(strings.FieldsFunc(string(x.text), func(r rune) bool {
		return strings.ContainsRune(" \t\r\n", r)
	}), "")
	for _, p := range x.prefixes {
		switch {
		case x.transform == xpath && text == "not(ancestor-or-self::"+p+":Signature)":
			return true
		case x.transform != filter2 || !x.subtracts:
		case text == "/descendant::"+p+":Signature", text == "//"+p+":Signature":
			return true
		}
	}
	return false
}

// transformFor returns the transform of a new signature at a place inside the elements with the
// Ids. If earlier signatures cover the place, they must all leave out other signatures. Then the
// new one does the same. A request that asks for such a transform gets it in any case.
func (e *earlierSignatures) transformFor(wanted transform, ids []string) (transform, error) {
	for i := range e.references {
		r := &e.references[i]
		if !r.covers(ids) {
			continue
		}
		if !r.tolerant {
			return 0, forbidden("a further signature would break a signature that it has, " +
				"because that one covers the place of the new one")
		}
		if wanted == enveloped {
			wanted = r.transform
		}
	}
	return wanted, nil
}
