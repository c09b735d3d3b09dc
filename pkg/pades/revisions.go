package pades

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// revisions are two revisions of one document, and what their objects are for.
type revisions struct {
	old, now *pdf.Document
	was, is  *roles                // of the objects of old and of now
	annots   map[pdf.Ref]bool      // arrays of annotations in old; nil until isAnnotations is called
	fixed    func(number int) bool // objects that old refers to in places that must not change
}

// readRoles finds out what the objects of both revisions are for.
func (r *revisions) readRoles(ctx context.Context, references *pdf.References) error {
	var err error
	if r.was, err = findRoles(r.old); err != nil {
		return err
	}
	if r.is, err = findRoles(r.now); err != nil {
		return err
	}
	if err := references.Advance(ctx, r.old); err != nil {
		return err
	}
	r.fixed = references.Reach(r.was.roots, r.was.cut)
	return nil
}

// role is what an object is for in both revisions: not what only the newer one says, since whoever
// made that may say anything. What the older one used freely, and for nothing else, is free where
// the newer one has no use for it any more.
func (r *revisions) role(ref pdf.Ref) string {
	was := r.was.of[ref]
	switch {
	case isFree(was) && !r.fixed(ref.Number):
		return was
	case isFree(was) || r.is.of[ref] != was:
		return ""
	}
	return was
}

// names are those of the fields to which an object belongs; one that belongs to none has none, and
// what locks all fields locks it.
func (r *revisions) names(ref pdf.Ref) []string {
	if names := r.was.names[ref]; len(names) > 0 {
		return names
	}
	return []string{""}
}

// isAnnotations reports whether an object was a page's array of annotations, or on the way to it.
func (r *revisions) isAnnotations(ref pdf.Ref) bool {
	if r.annots == nil {
		r.annots = map[pdf.Ref]bool{}
		err := r.old.Pages(0, func(p *pdf.Page) (bool, error) {
			o := p.Dict.Get("Annots")
			for next, ok := o.(pdf.Ref); ok && !r.annots[next]; next, ok = o.(pdf.Ref) {
				r.annots[next] = true
				var err error
				if o, err = r.old.Object(next); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil { // who knows what the rest of them are
			clear(r.annots)
		}
	}
	return r.annots[ref]
}

// grew reports whether now is old with signature fields added.
func (r *revisions) grew(old, now pdf.Array) bool {
	kept := 0
	for _, o := range now {
		if kept < len(old) && pdf.Equal(old[kept], o) {
			kept++
			continue
		}
		if ref, ok := o.(pdf.Ref); !ok || !r.mayJoin(ref) {
			return false
		}
	}
	return kept == len(old)
}

// mayJoin reports whether an object may become an entry of a list: as the widget of a signature
// field that is new or was one before, and that shows nothing unless somebody signed with it.
func (r *revisions) mayJoin(ref pdf.Ref) bool {
	value, ok := r.is.value[ref]
	if !ok || !r.is.isWidget(ref) || r.is.draws(ref) && !r.isLater(value) {
		return false
	}
	_, was := r.was.value[ref]
	return was || r.isNew(ref)
}

// isNew reports whether the older revision has no object of that number.
func (r *revisions) isNew(ref pdf.Ref) bool {
	_, before, err := r.old.ByNumber(ref.Number)
	return err == nil && before == nil
}

// isLater reports whether a field's value is a signature, of that field alone, that was made after
// the older revision: whoever shows another one once more shows what nobody signed.
func (r *revisions) isLater(value pdf.Object) bool {
	ref, ok := value.(pdf.Ref)
	if !ok || r.is.signs[ref] != 1 || !r.isNew(ref) {
		return false
	}
	dict, err := r.now.Dict(ref)
	if err != nil || dict == nil {
		return false
	}
	at, err := readByteRange(r.now, dict)
	return err == nil && at.gapStart >= r.old.Size()
}
