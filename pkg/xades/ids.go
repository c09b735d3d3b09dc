package xades

import (
	"bytes"
	"hash/maphash"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// maxKnownIDs bounds how many Ids are remembered, so that memory does not depend on the size of the
// document. Beyond it, duplicates are not found. The signature does not depend on them, because its
// references name the whole document and Ids that no document can foresee.
const maxKnownIDs = 1 << 17

// maxOpenIDBytes bounds the Ids of the open elements. Documents have a few hundred bytes of them.
const maxOpenIDBytes = 1 << 20

// ids finds Ids that occur twice, and keeps those of the open elements.
type ids struct {
	seed  maphash.Seed
	known map[uint64]struct{}
	text  []byte   // values of the open elements
	open  []openID // innermost last
}

// openID is a value that may be an Id of an open element: text[from:to].
type openID struct{ depth, from, to int }

func newIDs() *ids { return &ids{seed: maphash.MakeSeed(), known: map[uint64]struct{}{}} }

// isUnique says whether the value of an attribute must be unique in a document that is signed: that
// of Id, ID and xml:id, unless it is empty. An attribute named id need not be unique, because many
// formats use it for other purposes.
func isUnique(a *xmlc14n.Attr) bool {
	switch string(a.Local) {
	case "Id", "ID":
		return len(a.Space) == 0 && len(a.Value) > 0
	case "id":
		return string(a.Space) == xmlNamespace && len(a.Value) > 0
	}
	return false
}

// mayBeID says whether an earlier signature may use an attribute as an Id. Schemas declare Ids with
// names such as AssertionID.
func mayBeID(a *xmlc14n.Attr) bool {
	n := len(a.Local)
	return n >= 2 && a.Local[n-2]|0x20 == 'i' && a.Local[n-1]|0x20 == 'd'
}

// start takes the start of an element. It returns an error if the document has an Id twice.
func (s *ids) start(t *xmlc14n.Token) error {
	var own []byte // one element may have the same Id in two attributes
	for i := range t.Attrs {
		a := &t.Attrs[i]
		if !mayBeID(a) {
			continue
		}
		if len(s.text)+len(a.Value) > maxOpenIDBytes {
			return signing.Errorf(signing.KindTooComplex, "XML byte %d: the Ids of the open elements are longer than %d bytes",
				t.Start(), maxOpenIDBytes)
		}
		from := len(s.text)
		s.text = append(s.text, a.Value...)
		s.open = append(s.open, openID{depth: t.Depth, from: from, to: len(s.text)})
		if !isUnique(a) || own != nil && bytes.Equal(own, a.Value) {
			continue
		}
		own = a.Value
		sum := maphash.Bytes(s.seed, a.Value)
		if _, found := s.known[sum]; found {
			return signing.Errorf(signing.KindDamaged, "XML byte %d: the Id of the element is not unique", t.Start())
		}
		if len(s.known) < maxKnownIDs {
			s.known[sum] = struct{}{}
		}
	}
	return nil
}

// leaf takes a whole element.
func (s *ids) leaf(t *xmlc14n.Token) error {
	if len(t.Attrs) == 0 {
		return nil
	}
	err := s.start(t)
	s.end(t)
	return err
}

// end takes the end of an element.
func (s *ids) end(t *xmlc14n.Token) {
	for n := len(s.open); n > 0 && s.open[n-1].depth == t.Depth; n-- {
		s.text = s.text[:s.open[n-1].from]
		s.open = s.open[:n-1]
	}
}

// around returns the values that may be Ids of the open elements.
func (s *ids) around() (values []string) {
	for _, o := range s.open {
		values = append(values, string(s.text[o.from:o.to]))
	}
	return values
}
