package xades

import (
	"context"
	"encoding"
	"errors"
	"io"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// insertion is where a signature is inserted.
type insertion struct {
	At    int64  // bytes of the original in front of it
	Empty string // name of the element if it is written <a/>, else empty; At is then before the slash
}

// target is the element that gets the signature.
type target struct {
	insertion
	context xmlc14n.Context // of the element
	ids     []string        // what may be Ids of the element and of those around it
	inside  bool            // an earlier signature
}

// scanned is what one pass over a document finds out.
type scanned struct {
	target
	encoding  xmlc14n.Encoding
	digest    []byte // of the reference to the document
	midstate  []byte // of the hash that has the digest
	transform transform
}

// scan reads a document, and a second time only if earlier signatures need another transform than
// the request asks for.
func scan(ctx context.Context, file signing.Sized, p *Profile, o options) (*scanned, error) {
	for {
		found, err := scanOnce(ctx, newDocumentReader(ctx, file, file.Size()), p, o)
		if err != nil || found.transform == o.transform {
			return found, err
		}
		o.transform = found.transform
	}
}

// scanOnce reads a document. It returns the transform that is needed and the digest for the
// transform that o asks for.
func scanOnce(ctx context.Context, r io.Reader, p *Profile, o options) (*scanned, error) {
	blocks := newBlockHash(p.Digest.New())
	s := &scanner{
		tokens:  xmlc14n.NewTokenizer(r),
		data:    xmlc14n.New(blocks, xmlc14n.Config{Form: dereferenced(o.form), Omit: omitted(o.transform)}),
		ids:     newIDs(),
		options: o,
	}
	s.addPlaces(p)
	if err := s.read(); err != nil {
		return nil, readError(ctx, err)
	}
	t, err := s.choose()
	if err != nil {
		return nil, err
	}
	if t.inside {
		return nil, forbidden("the place for the signature is inside an earlier signature")
	}
	needed, err := s.earlier.transformFor(o.transform, t.ids)
	if err != nil {
		return nil, err
	}
	h := blocks.finish()
	midstate, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, internal("store hash", err)
	}
	return &scanned{
		target: *t, encoding: s.tokens.Encoding(), digest: h.Sum(nil), midstate: midstate, transform: needed,
	}, nil
}

// dereferenced returns the form that applies to a reference with URI="": such a reference has no
// comments, whatever the canonicalization (XML Signature 1.1 section 4.4.3.3).
func dereferenced(f xmlc14n.Form) xmlc14n.Form {
	f.Comments = false
	return f
}

// omitted chooses the elements that a transform leaves out of a document that does not have the new
// signature yet.
func omitted(t transform) xmlc14n.Selector {
	if t == enveloped {
		return nil
	}
	return xmlc14n.Named(dsNamespace, "Signature")
}

// scanner looks for the place of the signature and for what speaks against a signature, and
// computes the digest of the document, all in one pass.
type scanner struct {
	tokens   *xmlc14n.Tokenizer
	data     *xmlc14n.Canonicalizer
	options  options
	ids      *ids
	earlier  earlierSignatures
	inside   bool      // the current element is a signature or inside one
	searches []*search // the places, best first; the root element comes last
	// lengths are those of the local names that matter, as in matcher, and of "Signature".
	lengths uint64
}

// search looks for one place.
type search struct {
	matcher *matcher
	found   int
	open    int // depth of the first element found while it is open
	target  target
}

// addPlaces sets the places to look for: the one that the request names, or those of the profile
// and the root element.
func (s *scanner) addPlaces(p *Profile) {
	s.lengths = 1 << len("Signature")
	add := func(p place) {
		m := newMatcher(p)
		s.searches = append(s.searches, &search{matcher: m})
		s.lengths |= m.lengths
	}
	if s.options.place != nil {
		add(s.options.place)
		return
	}
	for _, p := range p.Places {
		add(p)
	}
	s.searches = append(s.searches, &search{})
}

// read reads the document to its end.
func (s *scanner) read() error {
	s.tokens.Leaves = true
	for {
		t, err := s.tokens.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return s.data.Close()
			}
			return err
		}
		if err := s.data.Token(t); err != nil {
			return err
		}
		if err := s.token(t); err != nil {
			return err
		}
	}
}

func (s *scanner) token(t *xmlc14n.Token) error {
	if t.Kind == xmlc14n.Text && !s.earlier.inside() {
		return nil // many tokens
	}
	if t.Depth > 1 && s.lengths>>(len(t.Local())%64)&1 == 0 && !s.earlier.inside() {
		return s.other(t)
	}
	s.inside = s.earlier.inside() // also at the end of a signature
	if err := s.earlier.token(t, s.tokens.Context); err != nil {
		return err
	}
	s.inside = s.inside || s.earlier.inside() || t.Kind == xmlc14n.Leaf && t.Is(dsNamespace, "Signature")
	if t.Kind == xmlc14n.StartElement || t.Kind == xmlc14n.Leaf {
		if err := s.ids.start(t); err != nil {
			return err
		}
		for _, q := range s.searches {
			if q.selects(t) {
				s.start(q, t)
			}
		}
	}
	if t.Kind == xmlc14n.EndElement || t.Kind == xmlc14n.Leaf {
		for _, q := range s.searches {
			if q.matcher != nil {
				q.matcher.end()
			}
			if q.open == t.Depth {
				s.end(q, t)
			}
		}
		s.ids.end(t)
	}
	return nil
}

// other takes a token that is not of a signature and whose name no search looks for. Most tokens
// are such.
func (s *scanner) other(t *xmlc14n.Token) error {
	switch t.Kind {
	case xmlc14n.Leaf:
		return s.ids.leaf(t)
	case xmlc14n.StartElement:
		for _, q := range s.searches {
			if q.matcher != nil {
				q.matcher.pending++
			}
		}
		return s.ids.start(t)
	case xmlc14n.EndElement:
		for _, q := range s.searches {
			if q.matcher != nil {
				q.matcher.end()
			}
		}
		s.ids.end(t)
	}
	return nil
}

// selects says whether the search is for the element that starts. A search without a matcher is for
// the root element.
func (q *search) selects(t *xmlc14n.Token) bool {
	if q.matcher == nil {
		return t.Depth == 1
	}
	return q.matcher.start(t)
}

// start notes an element that a search found. The place of an element written <a/> is noted here,
// because the slash is in this tag.
func (s *scanner) start(q *search, t *xmlc14n.Token) {
	if q.found++; q.found > 1 {
		return
	}
	q.open = t.Depth
	if t.Empty {
		s.note(q, insertion{At: t.Close(), Empty: string(t.Name())})
	}
}

// end notes the end of the element that a search found first.
func (s *scanner) end(q *search, t *xmlc14n.Token) {
	q.open = 0
	if q.target.Empty != "" {
		return
	}
	at := t.Start()
	if t.Kind == xmlc14n.Leaf {
		// The end tag of a leaf has no blanks.
		tag := "</" + string(t.Name()) + ">"
		at = t.End() - int64(len(s.tokens.Encoding().Append(nil, tag)))
	}
	s.note(q, insertion{At: at})
}

// note stores the target of a search during a token of the target.
func (s *scanner) note(q *search, at insertion) {
	q.target = target{insertion: at, context: s.tokens.Context(), inside: s.inside, ids: s.ids.around()}
}

// choose returns the target of the best place that was found once.
func (s *scanner) choose() (*target, error) {
	i := slices.IndexFunc(s.searches, func(q *search) bool { return q.found == 1 })
	if i >= 0 {
		return &s.searches[i].target, nil
	}
	if n := s.searches[0].found; n > 1 {
		return nil, signing.Errorf(signing.KindVisible, "signatureLocation %s matches %d elements, want one",
			quoted(s.options.location), n)
	}
	return nil, signing.Errorf(signing.KindVisible, "signatureLocation %s matches no element", quoted(s.options.location))
}
