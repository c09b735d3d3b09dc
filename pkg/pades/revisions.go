package pades

import (
	"context"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// revisions are two revisions of one document, and what their objects are for.
type revisions struct {
	old, now           *pdf.Document
	oldRoles, nowRoles *roles                // of the objects of old and of now
	annots             map[pdf.Ref]bool      // arrays of annotations in old; nil until isAnnotations is called
	fixed              func(number int) bool // objects that old refers to in places that must not change
}

// readRoles finds out what the objects of both revisions are for.
func (r *revisions) readRoles(ctx context.Context, references *pdf.References) error {
	var err error
	if r.oldRoles, err = findRoles(r.old); err != nil {
		return err
	}
	if r.nowRoles, err = findRoles(r.now); err != nil {
		return err
	}
	if err := references.Advance(ctx, r.old); err != nil {
		return err
	}
	r.fixed = references.Reach(r.oldRoles.roots, r.oldRoles.cut)
	return nil
}

// role returns the role that an object has in both revisions. The newer revision alone is not
// trusted, because its author may claim any role. An object that the older revision used only in a
// free role (see isFree) keeps this role, even if the newer revision no longer uses it.
func (r *revisions) role(ref pdf.Ref) string {
	was := r.oldRoles.of[ref]
	switch {
	case isFree(was) && !r.fixed(ref.Number):
		return was
	case isFree(was) || r.nowRoles.of[ref] != was:
		return ""
	}
	return was
}

// names returns the names of the fields to which an object belongs. For an object that belongs to
// no field it returns one empty name, so that a lock of all fields still covers it.
func (r *revisions) names(ref pdf.Ref) []string {
	if names := r.oldRoles.names[ref]; len(names) > 0 {
		return names
	}
	return []string{""}
}

// isAnnotations reports whether an object was a page's array of annotations in the older revision,
// or a reference that leads to one.
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
		if err != nil { // the set is incomplete, so treat no object as such an array
			clear(r.annots)
		}
	}
	return r.annots[ref]
}

// grew reports whether now is the list old with only signature fields added.
func (r *revisions) grew(old, now pdf.Array) bool {
	kept := 0
	for _, o := range now {
		if kept < len(old) && pdf.Equal(old[kept], o) {
			kept++
			continue
		}
		if ref, ok := o.(pdf.Ref); !ok || !r.mayBeAdded(ref) {
			return false
		}
	}
	return kept == len(old)
}

// mayBeAdded reports whether an object may be added to a list of fields or annotations. It must be
// the widget of a signature field that is new or was a signature field before, and it may show
// something only if a signature was made with it.
func (r *revisions) mayBeAdded(ref pdf.Ref) bool {
	value, ok := r.nowRoles.value[ref]
	if !ok || !r.nowRoles.isWidget(ref) || r.nowRoles.draws(ref) && !r.isLater(value) {
		return false
	}
	_, was := r.oldRoles.value[ref]
	return was || r.isNew(ref)
}

// isNew reports whether the older revision has no object of that number.
func (r *revisions) isNew(ref pdf.Ref) bool {
	_, before, err := r.old.ByNumber(ref.Number)
	return err == nil && before == nil
}

// isLater reports whether a field's value is a signature that was made after the older revision and
// belongs to this field alone. A field that shows the signature of another field shows something
// that nobody signed.
func (r *revisions) isLater(value pdf.Object) bool {
	ref, ok := value.(pdf.Ref)
	if !ok || r.nowRoles.signs[ref] != 1 || !r.isNew(ref) {
		return false
	}
	dict, err := r.now.Dict(ref)
	if err != nil || dict == nil {
		return false
	}
	at, err := readByteRange(r.now, dict)
	return err == nil && at.gapStart >= r.old.Size()
}
