package pdf

import (
	"maps"
	"slices"
)

// maxChanged bounds the objects that ChangedSince lists.
const maxChanged = 200_000

// Prefix opens the revision of the document that ends at a byte, counted from the first byte of the file.
func (d *Document) Prefix(end int64) (*Document, error) {
	if end < d.base || end > d.Size() {
		return nil, damaged("it has no revision that ends at byte %d", end)
	}
	p, err := Open(d.r, end-d.base)
	if err == nil {
		p.base += d.base
	}
	return p, err
}

// ChangedSince returns the numbers of the objects that cross-reference sections behind a byte list, be it as free, in order. The byte
// is counted from the first byte of the file.
func (d *Document) ChangedSince(offset int64) ([]int, error) {
	seen := map[int]bool{}
	for _, s := range d.sections {
		if d.base+s.offset < offset {
			continue
		}
		for _, part := range []*section{s, s.hidden} {
			if part == nil {
				continue
			}
			for _, run := range part.runs {
				if len(seen)+run.count > maxChanged {
					return nil, tooComplex("more than %d objects were changed", maxChanged)
				}
				for n := run.first; n < run.first+run.count; n++ {
					seen[n] = true
				}
			}
		}
	}
	delete(seen, 0)
	return slices.Sorted(maps.Keys(seen)), nil
}

// ByNumber returns the object in force under a number, with its reference; nil where the number is free.
func (d *Document) ByNumber(number int) (Ref, Object, error) {
	e, err := d.lookup(number)
	if err != nil || e.kind == entryFree {
		return Ref{}, nil, err
	}
	ref := Ref{Number: number}
	if e.kind == entryPlain {
		ref.Generation = e.generation
	}
	o, err := d.load(ref)
	return ref, o, err
}

// Equal reports whether two objects say the same; references are compared, not followed, and streams are the same only if they are
// one. Numbers are compared as they are written.
func Equal(a, b Object) bool {
	switch x := a.(type) {
	case Array:
		y, ok := b.(Array)
		return ok && slices.EqualFunc(x, y, Equal)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for k, v := range x.All() {
			if !y.Has(k) || !Equal(v, y.Get(k)) {
				return false
			}
		}
		return true
	case String:
		y, ok := b.(String)
		return ok && x.Value == y.Value
	case *Stream:
		y, ok := b.(*Stream)
		return ok && x.offset == y.offset && x.length == y.length && Equal(x.Dict, y.Dict)
	}
	if _, ok := b.(Array); ok {
		return false
	}
	return a == b
}
