package pdf

import "slices"

// maxChanged bounds the objects that ChangedSince lists.
const maxChanged = 200_000

// Prefix opens the revision of the document that ends at offset end, counted from the first byte of
// the file.
func (d *Document) Prefix(end int64) (*Document, error) {
	if end < d.src.base || end > d.Size() {
		return nil, damaged("no revision of it ends at byte %d", end)
	}
	p, err := Open(d.src.r, end-d.src.base)
	if err == nil {
		p.src.base += d.src.base
	}
	return p, err
}

// ChangedSince returns, in order, the numbers of the objects that may differ from an older
// revision, including objects that one of the two frees. These are all objects that cross-reference
// sections list which the two revisions do not have in common. The place of a section does not
// matter: a section between the bytes of the older revision is new if only the newer revision links
// it, and if the newer one skips a section of the older one, the objects of that section may
// differ, too.
func (d *Document) ChangedSince(old *Document) ([]int, error) {
	var numbers []int
	for n, changed := range listed(changedSections(d, old)) {
		if n == 0 || !changed {
			continue
		}
		if len(numbers) == maxChanged {
			return nil, tooComplex("more than %d objects were changed", maxChanged)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// changedSections returns the sections of two revisions that come before the common part of their
// chains: all sections if old is nil.
func changedSections(d, old *Document) []*section {
	a := d.xref.sections
	if old == nil {
		return a
	}
	b := old.xref.sections
	for len(a) > 0 && len(b) > 0 && d.src.base+a[len(a)-1].offset == old.src.base+b[len(b)-1].offset {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return append(slices.Clone(a), b...)
}

// listed marks the objects that sections list.
func listed(sections []*section) []bool {
	top := 0
	for _, s := range sections {
		top = max(top, s.top())
	}
	marks := make([]bool, top)
	for _, s := range sections {
		for _, part := range []*section{s, s.hidden} {
			if part == nil {
				continue
			}
			for _, run := range part.runs {
				for n := run.first; n < run.first+run.count; n++ {
					marks[n] = true
				}
			}
		}
	}
	return marks
}

// ByNumber returns the newest version of the object with a number, and its reference. The object is
// nil if the number is free.
func (d *Document) ByNumber(number int) (Ref, Object, error) {
	e, err := d.xref.lookup(number)
	if err != nil || e.kind == entryFree {
		return Ref{}, nil, err
	}
	ref := Ref{Number: number}
	if e.kind == entryPlain {
		ref.Generation = e.generation
	}
	o, err := d.loader.load(ref)
	return ref, o, err
}

// Equal reports whether two objects have the same content. It compares references without following
// them, and streams by where their data is. It compares numbers as they are written. If the
// dictionary b has a key twice it is not equal to anything, because readers differ in which value
// they use.
func Equal(a, b Object) bool {
	switch x := a.(type) {
	case Array:
		y, ok := b.(Array)
		return ok && slices.EqualFunc(x, y, Equal)
	case *Dict:
		y, ok := b.(*Dict)
		if _, twice := y.Duplicate(); !ok || twice || x.Len() != y.Len() {
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
