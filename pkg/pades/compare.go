package pades

import (
	"context"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// comparison is what changed between two revisions, in words.
type comparison struct {
	old, now  *pdf.Document
	allowed   []string
	forbidden []string
	// permission is /P of the certification, if it is one that is compared: 1 allows nothing but
	// timestamps and validation data.
	permission int64
	locks      []lock                // of the signature that is compared
	annots     map[pdf.Ref]bool      // arrays of annotations in old; nil until one is asked for
	was, is    *roles                // in old and now
	fixed      func(number int) bool // what old refers to in places that may not change
}

// compare holds the document against its revision that a signature covers.
func (v *verifier) compare(s *verified) (*comparison, error) {
	old, err := v.doc.Prefix(s.End)
	if err != nil {
		return nil, err
	}
	c := &comparison{old: old, now: v.doc, permission: s.permission, locks: s.locks}
	changed, err := v.doc.ChangedSince(old)
	if err != nil {
		return nil, err
	}
	if err := c.prepare(v.ctx, &v.references); err != nil {
		return nil, err
	}
	if err := c.trailers(); err != nil {
		return nil, err
	}
	added := map[string]int{}
	for _, number := range changed {
		if err := v.ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.number(number, added); err != nil {
			return nil, err
		}
	}
	if n := added[roleSignature]; n > 0 {
		c.fill(nil, "%d %s added", n, roleSignature)
	}
	if n := added[roleTimestamp]; n > 0 {
		c.may("%d %s added", n, roleTimestamp)
	}
	if added[roleStore] > 0 {
		c.may("%s added", roleStore)
	}
	return c, nil
}

// prepare finds out what objects are for, in both revisions.
func (c *comparison) prepare(ctx context.Context, references *pdf.References) error {
	var err error
	if c.was, err = findRoles(c.old); err != nil {
		return err
	}
	if c.is, err = findRoles(c.now); err != nil {
		return err
	}
	if err := references.Advance(ctx, c.old); err != nil {
		return err
	}
	c.fixed = references.Reach(c.was.roots, c.was.cut)
	return nil
}

// trailers wants a catalog that says the same where another object became the catalog, and, since
// all else depends on it, the same encryption.
func (c *comparison) trailers() error {
	if !pdf.Equal(c.old.Trailer().Get("Encrypt"), c.now.Trailer().Get("Encrypt")) {
		c.mayNot("the encryption changed")
	}
	before, was, err := c.old.Catalog()
	if err != nil {
		return err
	}
	after, ref, err := c.now.Catalog()
	if err == nil && ref != was {
		c.catalog(before, after)
	}
	return err
}

func (c *comparison) catalog(old, now *pdf.Dict) {
	c.dict("catalog", old, now, map[pdf.Name]func(a, b pdf.Object){
		"AcroForm": c.form, "DSS": nil, "Extensions": nil, "Version": nil, "Metadata": nil,
	})
}

// number judges one object whose entry is not the old one.
func (c *comparison) number(number int, added map[string]int) error {
	was, before, err := c.old.ByNumber(number)
	if err != nil {
		return err
	}
	ref, after, err := c.now.ByNumber(number)
	switch {
	case err != nil:
		return err
	case before == nil && after == nil:
	case before == nil && c.fixed(number):
		// it was null there: the page may show it now
		c.mayNot("object %d was added, which the signed revision refers to", number)
	case before == nil:
		added[c.is.of[ref]]++ // what nothing refers to yet is seen where it is referred to
	case after == nil:
		c.mayNot("object %d was removed", number)
	case was != ref:
		c.mayNot("object %d changed", number)
	default:
		c.object(ref, before, after)
	}
	return nil
}

// role is what an object is for in both revisions: not what only the newer one says, since whoever
// made that may say anything. What the older one used freely, and for nothing else, is free where
// the newer one has no use for it any more.
func (c *comparison) role(ref pdf.Ref) string {
	was := c.was.of[ref]
	switch {
	case isFree(was) && !c.fixed(ref.Number):
		return was
	case isFree(was) || c.is.of[ref] != was:
		return ""
	}
	return was
}

func (c *comparison) may(format string, args ...any) {
	c.allowed = appendOnce(c.allowed, fmt.Sprintf(format, args...))
}

func (c *comparison) mayNot(format string, args ...any) {
	c.forbidden = appendOnce(c.forbidden, fmt.Sprintf(format, args...))
}

// fill is for what filling in a form and signing do to fields of those names: a certification may
// forbid it, or a lock.
func (c *comparison) fill(names []string, format string, args ...any) {
	if c.permission == 1 || slices.ContainsFunc(names, c.locked) {
		c.mayNot(format, args...)
		return
	}
	c.may(format, args...)
}

// locked reports whether the signature locks a field (ISO 32000-2 12.8.2.4).
func (c *comparison) locked(name string) bool {
	return slices.ContainsFunc(c.locks, func(l lock) bool { return l.covers(name) })
}

// names are those of the fields to which an object belongs; one that belongs to none has none, and
// what locks all fields locks it.
func (c *comparison) names(ref pdf.Ref) []string {
	if names := c.was.names[ref]; len(names) > 0 {
		return names
	}
	return []string{""}
}

// filling are the entries of a field or its widget that filling it in changes.
func (c *comparison) filling(ref pdf.Ref) map[pdf.Name]func(a, b pdf.Object) {
	value := func(_, _ pdf.Object) { c.fill(c.names(ref), "a form field was filled in") }
	return map[pdf.Name]func(a, b pdf.Object){"V": value, "AS": value, "AP": value, "M": value, "RV": value, "I": value}
}

func appendOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// object judges one object that was there before.
func (c *comparison) object(ref pdf.Ref, before, after pdf.Object) {
	if pdf.Equal(before, after) {
		return
	}
	old, isDict := before.(*pdf.Dict)
	now, stillDict := after.(*pdf.Dict)
	_, isSignatureField := c.was.value[ref]
	switch role := c.role(ref); {
	case role == roleStore:
		c.may("validation data changed")
	case role == roleMetadata:
		c.may("metadata changed")
	case role == roleFace:
		c.face(ref)
	case role == roleList:
		c.fields(before, after)
	case !isDict || !stillDict:
		c.other(ref, before)
	case isSignatureField:
		c.signatureField(ref, old, now)
	case role == roleCatalog:
		c.catalog(old, now)
	case role == roleForm:
		c.form(old, now)
	case old.Get("Type") == pdf.Name("Page"):
		c.dict("page", old, now, map[pdf.Name]func(a, b pdf.Object){"Annots": c.annotations})
	case old.Get("FT") != nil || old.Get("Subtype") == pdf.Name("Widget"):
		c.dict(fmt.Sprintf("form field of object %d", ref.Number), old, now, c.filling(ref))
	default:
		c.other(ref, before)
	}
}

// other is an object without a role: an array of annotations may grow, anything else must stay.
func (c *comparison) other(ref pdf.Ref, before pdf.Object) {
	after, err := c.now.Object(ref)
	if a, ok := before.(pdf.Array); ok && err == nil && c.isAnnotations(ref) {
		if b, ok := after.(pdf.Array); ok && c.grew(a, b) {
			c.may("signature field put on a page")
			return
		}
	}
	c.mayNot("object %d changed", ref.Number)
}

// dict compares entries; those in may are passed on, or allowed where there is nobody to pass them
// to.
func (c *comparison) dict(what string, old, now *pdf.Dict, may map[pdf.Name]func(a, b pdf.Object)) {
	if key, twice := now.Duplicate(); twice {
		c.mayNot("the %s has /%s twice", what, printable(string(key)))
	}
	keys := map[pdf.Name]bool{}
	for _, d := range []*pdf.Dict{old, now} {
		for k := range d.All() {
			if keys[k] {
				continue
			}
			keys[k] = true
			a, b := old.Get(k), now.Get(k)
			if pdf.Equal(a, b) {
				continue
			}
			judge, ok := may[k]
			switch {
			case !ok:
				c.mayNot("/%s of the %s changed", printable(string(k)), what)
			case judge != nil:
				judge(a, b)
			default:
				c.may("/%s of the %s changed", string(k), what)
			}
		}
	}
}

// form compares interactive forms, which may be direct, indirect or new.
func (c *comparison) form(a, b pdf.Object) {
	old, err1 := c.old.Dict(a)
	now, err2 := c.now.Dict(b)
	if err1 != nil || err2 != nil || now == nil {
		c.mayNot("the form was removed or broken")
		return
	}
	c.dict("form", old, now, map[pdf.Name]func(a, b pdf.Object){"Fields": c.fields, "SigFlags": nil, "DR": nil, "DA": nil})
}

// fields wants a list of fields to have grown by signature fields.
func (c *comparison) fields(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.mayNot("form fields were added or removed")
	}
}

// annotations wants a page to have got signature fields and nothing else.
func (c *comparison) annotations(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.mayNot("annotations were added or removed")
		return
	}
	c.may("signature field put on a page")
}

// isAnnotations reports whether an object was a page's array of annotations, or on the way to it.
func (c *comparison) isAnnotations(ref pdf.Ref) bool {
	if c.annots == nil {
		c.annots = map[pdf.Ref]bool{}
		err := c.old.Pages(0, func(p *pdf.Page) (bool, error) {
			o := p.Dict.Get("Annots")
			for next, ok := o.(pdf.Ref); ok && !c.annots[next]; next, ok = o.(pdf.Ref) {
				c.annots[next] = true
				var err error
				if o, err = c.old.Object(next); err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil { // who knows what the rest of them are
			clear(c.annots)
		}
	}
	return c.annots[ref]
}

// grew reports whether now is old with signature fields added.
func (c *comparison) grew(old, now pdf.Array) bool {
	kept := 0
	for _, o := range now {
		if kept < len(old) && pdf.Equal(old[kept], o) {
			kept++
			continue
		}
		if ref, ok := o.(pdf.Ref); !ok || !c.mayJoin(ref) {
			return false
		}
	}
	return kept == len(old)
}
