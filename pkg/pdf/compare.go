package pdf

import "slices"

// maxChanged bounds the objects that ChangedSince lists.
const maxChanged = 200_000

// Prefix opens the revision of the document that ends at a byte, counted from the first byte of the
// file.
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

// ChangedSince returns the numbers of the objects that may differ from an older revision, be it as
// free, in order: all that is listed by cross-reference sections which the two do not have in
// common. It does not matter where a section lies: one that hides between the bytes of the older
// revision, and is only linked by the newer one, is new; so is what shows where a section of the
// older one is skipped.
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

// changedSections returns the sections of two revisions that stand before what their chains have in
// common.
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

// ByNumber returns the object in force under a number, with its reference; nil where the number is
// free.
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

// Equal reports whether two objects say the same; references are compared, not followed, and
// streams are the same only if they are one. Numbers are compared as they are written. A dictionary
// b with a key that is there twice is like no other, since readers differ in which one they take.
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
