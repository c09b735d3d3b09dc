package xades

import (
	"bytes"
	"cmp"
	"crypto"
	"hash"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// maxDigests bounds the work on a hostile document: each digest hashes up to the whole document. A
// signature has three.
const maxDigests = 64

// maxBlockHashes bounds how many digests are computed in other goroutines, because each of them has
// two buffers. Only one part of a document is large: the document.
const maxBlockHashes = 4

// Limits of the canonical forms that are kept for archive timestamps.
const (
	maxForms     = 1024
	maxFormBytes = 32 << 20 // of all together; a signature with large CRLs has 20 MiB
)

// part names a part of a document whose digest, or whose canonical form, is needed. Equal parts are
// measured once.
type part struct {
	hash     crypto.Hash // 0 = keep the canonical form
	method   xmlc14n.Method
	comments bool
	prefixes string // of InclusiveNamespaces, separated by blanks
	base64   bool   // hash the decoded text instead of a canonical form

	element   int64  // offset of the element; 0 = chosen by id. No element of interest is at 0
	id        string // of the element; empty = the whole document
	omit      int64  // offset of an element to leave out
	omits     bool   // omit is set
	omitsSigs bool   // leave out all signatures
}

// withForm returns the part in a canonical form.
func (p part) withForm(f xmlc14n.Form) part {
	p.method, p.comments, p.prefixes = f.Method, f.Comments, strings.Join(f.Prefixes, " ")
	return p
}

// config returns what the canonicalizer has to do.
func (p part) config() xmlc14n.Config {
	c := xmlc14n.Config{
		Form: xmlc14n.Form{Method: p.method, Comments: p.comments, Prefixes: strings.Fields(p.prefixes)},
	}
	switch {
	case p.element != 0:
		c.Select = xmlc14n.At(p.element)
	case p.id != "":
		c.Select = hasID(p.id)
	}
	switch {
	case p.omitsSigs:
		c.Omit = xmlc14n.Named(dsNamespace, "Signature")
	case p.omits:
		c.Omit = xmlc14n.At(p.omit)
	}
	return c
}

// digest is a digest to compute: of a canonical form, or of decoded base64.
type digest struct {
	hash      hash.Hash              // nil if form is set; complete after the pass
	blocks    *blockHash             // writes to hash; nil if form is set
	form      *keptForm              // nil if hash is set
	canonical *xmlc14n.Canonicalizer // nil for base64
	base64    *base64Text            // nil for a canonical form
	element   int64                  // offset of the element; 0 = chosen otherwise
	id        string                 // of the element, for a canonical form; empty = chosen otherwise
	depth     int                    // of the element while it is open, if element or id is set
}

// keptForm is the canonical form of a small part.
type keptForm struct {
	bytes    []byte
	room     *int // what all forms may still take, bytes
	tooLarge bool
}

// Write implements io.Writer.
func (k *keptForm) Write(p []byte) (int, error) {
	if k.tooLarge || len(p) > *k.room {
		*k.room += len(k.bytes)
		k.bytes, k.tooLarge = nil, true
		return len(p), nil
	}
	*k.room -= len(p)
	k.bytes = append(k.bytes, p...)
	return len(p), nil
}

// is says whether the digest has the value.
func (d *digest) is(want []byte) bool {
	return bytes.Equal(d.hash.Sum(nil), want) && (d.base64 == nil || !d.base64.wrong())
}

// element is an element that a reference names.
type element struct {
	count      int // elements with the Id
	start, end int64
	depth      int
	object     bool // it is a ds:Object
	measured   bool
}

// measurer computes digests of parts of a document and looks up Ids. A pass over the document
// measures everything that was asked for and is not measured yet.
type measurer struct {
	digests  map[part]*digest
	elements map[string]*element // by Id
	open     []*element          // elements that were looked up, innermost last
	missing  bool                // something is not measured yet
	forms    int                 // how many digests keep a form
	room     int                 // what the forms may still take, bytes

	// What the current pass computes: from all tokens, or from those of one element, which is chosen
	// by its offset or by its Id. waiting is in the order of the offsets. inside are those whose
	// element is open, and passed those whose element has ended.
	running, waiting, named, inside, passed []*digest
}

func newMeasurer() *measurer {
	return &measurer{digests: map[part]*digest{}, elements: map[string]*element{}, room: maxFormBytes}
}

// add asks for the digest or the canonical form of a part. It returns nil if there are too many.
func (m *measurer) add(p part) *digest {
	if d := m.digests[p]; d != nil {
		return d
	}
	d := &digest{element: p.element}
	var w io.Writer
	switch {
	case p.hash == 0 && m.forms < maxForms:
		m.forms++
		d.form = &keptForm{room: &m.room}
		w = d.form
	case p.hash != 0 && len(m.digests)-m.forms < maxDigests:
		d.hash = p.hash.New()
		d.blocks = newBlockHash(d.hash)
		if len(m.digests)-m.forms >= maxBlockHashes {
			d.blocks.alone = math.MaxInt
		}
		w = d.blocks
	default:
		return nil
	}
	if p.base64 {
		d.base64 = &base64Text{choose: hasID(p.id), w: w}
	} else {
		d.canonical = xmlc14n.New(w, p.config())
	}
	m.digests[p] = d
	switch {
	case d.element != 0:
		m.waiting = append(m.waiting, d)
	case p.id != "" && !p.base64:
		d.id = p.id
		m.named = append(m.named, d)
	default:
		m.running = append(m.running, d)
	}
	m.missing = true
	return d
}

// lookUp asks for the element with the Id.
func (m *measurer) lookUp(id string) *element {
	e := m.elements[id]
	if e == nil {
		e = &element{}
		m.elements[id] = e
		m.missing = true
	}
	return e
}

// token takes the next token of the document.
func (m *measurer) token(t *xmlc14n.Token) error {
	for _, d := range m.running {
		if d.base64 != nil {
			d.base64.token(t)
		} else if err := d.canonical.Token(t); err != nil {
			return err
		}
	}
	if t.Kind == xmlc14n.StartElement || t.Kind == xmlc14n.Leaf {
		if len(m.waiting) > 0 && m.waiting[0].element <= t.Start() {
			m.enterAt(t)
		}
		if slices.ContainsFunc(t.Attrs, func(a xmlc14n.Attr) bool { return isID(&a) }) {
			m.enterNamed(t)
			m.start(t)
		}
	}
	if len(m.inside) > 0 {
		if err := m.tokenInside(t); err != nil {
			return err
		}
	}
	if t.Kind == xmlc14n.EndElement || t.Kind == xmlc14n.Leaf {
		for n := len(m.open); n > 0 && m.open[n-1].depth == t.Depth; n-- {
			m.open[n-1].end = t.End()
			m.open = m.open[:n-1]
		}
	}
	return nil
}

// startPass starts a pass over the whole document.
func (m *measurer) startPass() {
	slices.SortStableFunc(m.waiting, func(a, b *digest) int { return cmp.Compare(a.element, b.element) })
}

// tokenInside gives the token to the digests of the elements that are open.
func (m *measurer) tokenInside(t *xmlc14n.Token) error {
	for _, d := range m.inside {
		if err := d.canonical.Token(t); err != nil {
			return err
		}
	}
	if t.Kind == xmlc14n.EndElement || t.Kind == xmlc14n.Leaf {
		m.inside = slices.DeleteFunc(m.inside, func(d *digest) bool {
			if d.depth == t.Depth {
				m.passed = append(m.passed, d)
			}
			return d.depth == t.Depth
		})
	}
	return nil
}

// enterAt starts the digests of the element that starts here. Offsets that were passed without an
// element are dropped.
func (m *measurer) enterAt(t *xmlc14n.Token) {
	for len(m.waiting) > 0 && m.waiting[0].element <= t.Start() {
		d := m.waiting[0]
		m.waiting = m.waiting[1:]
		if d.element == t.Start() {
			d.depth = t.Depth
			m.inside = append(m.inside, d)
		}
	}
}

// enterNamed starts the digests of the element whose Id one of the attributes is.
func (m *measurer) enterNamed(t *xmlc14n.Token) {
	m.named = slices.DeleteFunc(m.named, func(d *digest) bool {
		found := hasID(d.id)(t)
		if found {
			d.depth = t.Depth
			m.inside = append(m.inside, d)
		}
		return found
	})
}

func (m *measurer) start(t *xmlc14n.Token) {
	var seen *element // two attributes of one element may have the same value
	for i := range t.Attrs {
		if !isID(&t.Attrs[i]) {
			continue
		}
		e := m.elements[string(t.Attrs[i].Value)]
		if e == nil || e == seen || e.measured {
			continue
		}
		seen = e
		if e.count++; e.count == 1 {
			e.start, e.depth, e.object = t.Start(), t.Depth, t.Is(dsNamespace, "Object")
			m.open = append(m.open, e)
		}
	}
}

// isID says whether an attribute may be an Id for one of the programs that read the document: Id,
// ID or id, also with a prefix, as in xml:id and wsu:Id. To judge a signature, a name that stands
// for two elements in any of these readings is not unique.
func isID(a *xmlc14n.Attr) bool {
	return len(a.Local) == 2 && a.Local[0]|0x20 == 'i' && a.Local[1]|0x20 == 'd'
}

// hasID selects the element with the Id.
func hasID(id string) xmlc14n.Selector {
	return func(t *xmlc14n.Token) bool {
		for i := range t.Attrs {
			if isID(&t.Attrs[i]) && string(t.Attrs[i].Value) == id {
				return true
			}
		}
		return false
	}
}

// endPass ends a pass over the whole document. An element that is not in the document is not an
// error here: its count is 0.
func (m *measurer) endPass() error {
	for _, d := range append(m.running, m.passed...) {
		if d.canonical == nil {
			continue
		}
		if err := d.canonical.Close(); err != nil && d.canonical.Found() {
			return err
		}
	}
	for _, d := range m.digests {
		if d.blocks != nil {
			d.blocks.finish()
		}
	}
	for _, e := range m.elements {
		e.measured = true
	}
	m.running, m.waiting, m.named, m.passed, m.missing = nil, nil, nil, nil, false
	return nil
}
