package xmlc14n

import (
	"bytes"
	"slices"
)

// shape is the attributes that a tag had, without their values. Tags of one place mostly have the
// same attributes, so that names need not be read and sorted again.
type shape struct {
	keys  []byte  // what is in front of each value: a blank, the name, =", one after the other
	ends  []int   // where each of them ends
	order []uint8 // indexes in canonical order; nil if the attributes are in order
}

// newShape returns the shape of attributes without prefix that are written with single blanks and
// double quotes, in the order of the tag. It returns nil if they are too many or too long.
func newShape(attrs []Attr) *shape {
	if len(attrs) == 0 || len(attrs) > maxShapeAttributes {
		return nil
	}
	s := &shape{}
	for i := range attrs {
		s.keys = append(append(append(s.keys, ' '), attrs[i].Name...), `="`...)
		s.ends = append(s.ends, len(s.keys))
		s.order = append(s.order, uint8(i))
	}
	if len(s.keys) > maxShapeBytes {
		return nil
	}
	slices.SortFunc(s.order, func(a, b uint8) int { return bytes.Compare(attrs[a].Local, attrs[b].Local) })
	if slices.IsSorted(s.order) {
		s.order = nil
	}
	return s
}

// expected reads attributes as long as they have the shape and values without anything special.
func (r *tagReader) expected(s *shape) {
	from := 0
	for _, to := range s.ends {
		key := s.keys[from:to]
		from = to
		if !bytes.HasPrefix(r.b[r.i:], key) {
			return
		}
		value := r.i + len(key)
		end := skipValue(r.b, value)
		if end == len(r.b) || r.b[end] != '"' {
			return
		}
		name := r.b[r.i+1 : value-len(`="`)]
		r.attrs = append(r.attrs, Attr{
			Name: name, Local: name, Value: r.b[value:end], binding: none, plain: true, at: r.i + 1,
		})
		r.i = end + 1
	}
	r.matched = s
}

// reorder returns the attributes, which have the shape, in canonical order.
func (r *tagReader) reorder(s *shape) (sorted []Attr, inOrder bool) {
	if s.order == nil {
		return r.attrs, true
	}
	r.sorted = r.sorted[:0]
	for _, i := range s.order {
		r.sorted = append(r.sorted, r.attrs[i])
	}
	return r.sorted, false
}
