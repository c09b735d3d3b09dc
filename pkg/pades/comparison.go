package pades

import (
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// comparison judges what changed between two revisions.
type comparison struct {
	revisions
	findings
}

// compare holds the document against its revision that a signature covers.
func (v *verifier) compare(s *verified) (*comparison, error) {
	old, err := v.doc.Prefix(s.End)
	if err != nil {
		return nil, err
	}
	c := &comparison{
		revisions: revisions{old: old, now: v.doc},
		findings:  findings{permission: s.permission, locks: s.locks},
	}
	changed, err := v.doc.ChangedSince(old)
	if err != nil {
		return nil, err
	}
	if err := c.readRoles(v.ctx, &v.references); err != nil {
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
		c.allowFilling(nil, "%d %s added", n, roleSignature)
	}
	if n := added[roleTimestamp]; n > 0 {
		c.allow("%d %s added", n, roleTimestamp)
	}
	if added[roleStore] > 0 {
		c.allow("%s added", roleStore)
	}
	return c, nil
}

// trailers wants a catalog that says the same where another object became the catalog, and, since
// all else depends on it, the same encryption.
func (c *comparison) trailers() error {
	if !pdf.Equal(c.old.Trailer().Get("Encrypt"), c.now.Trailer().Get("Encrypt")) {
		c.forbid("the encryption changed")
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
		c.forbid("object %d was added, which the signed revision refers to", number)
	case before == nil:
		added[c.is.of[ref]]++ // what nothing refers to yet is seen where it is referred to
	case after == nil:
		c.forbid("object %d was removed", number)
	case was != ref:
		c.forbid("object %d changed", number)
	default:
		c.object(ref, before, after)
	}
	return nil
}

// filling are the entries of a field or its widget that filling it in changes.
func (c *comparison) filling(ref pdf.Ref) map[pdf.Name]func(a, b pdf.Object) {
	value := func(_, _ pdf.Object) { c.allowFilling(c.names(ref), "a form field was filled in") }
	return map[pdf.Name]func(a, b pdf.Object){"V": value, "AS": value, "AP": value, "M": value, "RV": value, "I": value}
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
		c.allow("validation data changed")
	case role == roleMetadata:
		c.allow("metadata changed")
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
			c.allow("signature field put on a page")
			return
		}
	}
	c.forbid("object %d changed", ref.Number)
}

// dict compares entries; those in may are passed on, or allowed where there is nobody to pass them
// to.
func (c *comparison) dict(what string, old, now *pdf.Dict, may map[pdf.Name]func(a, b pdf.Object)) {
	if key, twice := now.Duplicate(); twice {
		c.forbid("the %s has /%s twice", what, printable(string(key)))
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
				c.forbid("/%s of the %s changed", printable(string(k)), what)
			case judge != nil:
				judge(a, b)
			default:
				c.allow("/%s of the %s changed", string(k), what)
			}
		}
	}
}

// form compares interactive forms, which may be direct, indirect or new.
func (c *comparison) form(a, b pdf.Object) {
	old, err1 := c.old.Dict(a)
	now, err2 := c.now.Dict(b)
	if err1 != nil || err2 != nil || now == nil {
		c.forbid("the form was removed or broken")
		return
	}
	c.dict("form", old, now, map[pdf.Name]func(a, b pdf.Object){"Fields": c.fields, "SigFlags": nil, "DR": nil, "DA": nil})
}

// fields wants a list of fields to have grown by signature fields.
func (c *comparison) fields(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.forbid("form fields were added or removed")
	}
}

// annotations wants a page to have got signature fields and nothing else.
func (c *comparison) annotations(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.forbid("annotations were added or removed")
		return
	}
	c.allow("signature field put on a page")
}
