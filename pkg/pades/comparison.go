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

// compare compares the document with the revision that the signature covers.
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

// trailers checks that the encryption is the same, because everything else depends on it. If
// another object became the catalog, it compares the two catalogs.
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

// number judges one object whose cross-reference entry changed. It counts the roles of new objects
// in added.
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
		// The reference was null in the signed revision, so the page may show the object now.
		c.forbid("object %d was added, and the signed revision refers to it", number)
	case before == nil:
		added[c.nowRoles.of[ref]]++ // the object that refers to it is judged too
	case after == nil:
		c.forbid("object %d was removed", number)
	case was != ref:
		c.forbid("object %d changed", number)
	default:
		c.object(ref, before, after)
	}
	return nil
}

// filling returns the entries of a field or its widget that may change when the field is filled in.
func (c *comparison) filling(ref pdf.Ref) map[pdf.Name]func(a, b pdf.Object) {
	value := func(_, _ pdf.Object) { c.allowFilling(c.names(ref), "a form field was filled in") }
	return map[pdf.Name]func(a, b pdf.Object){"V": value, "AS": value, "AP": value, "M": value, "RV": value, "I": value}
}

// object judges the change of one object that exists in both revisions.
func (c *comparison) object(ref pdf.Ref, before, after pdf.Object) {
	if pdf.Equal(before, after) {
		return
	}
	old, isDict := before.(*pdf.Dict)
	now, stillDict := after.(*pdf.Dict)
	_, isSignatureField := c.oldRoles.value[ref]
	switch role := c.role(ref); {
	case role == roleStore:
		c.allow("validation data changed")
	case role == roleMetadata:
		c.allow("metadata changed")
	case role == roleAppearance:
		c.appearance(ref)
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

// other judges an object without a role. An array of annotations may grow. Everything else must
// stay the same.
func (c *comparison) other(ref pdf.Ref, before pdf.Object) {
	after, err := c.now.Object(ref)
	if a, ok := before.(pdf.Array); ok && err == nil && c.isAnnotations(ref) {
		if b, ok := after.(pdf.Array); ok && c.grew(a, b) {
			c.allow("a signature field was added to a page")
			return
		}
	}
	c.forbid("object %d changed", ref.Number)
}

// dict compares the entries of two dictionaries. A changed entry whose key is in may is passed to
// its function, or allowed if the function is nil. Every other change is forbidden.
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

// form compares two interactive forms, which may be direct, indirect or new.
func (c *comparison) form(a, b pdf.Object) {
	old, err1 := c.old.Dict(a)
	now, err2 := c.now.Dict(b)
	if err1 != nil || err2 != nil || now == nil {
		c.forbid("the form was removed or broken")
		return
	}
	c.dict("form", old, now, map[pdf.Name]func(a, b pdf.Object){"Fields": c.fields, "SigFlags": nil, "DR": nil, "DA": nil})
}

// fields checks that only signature fields were added to a list of fields.
func (c *comparison) fields(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.forbid("form fields were added or removed")
	}
}

// annotations checks that only signature fields were added to the annotations of a page.
func (c *comparison) annotations(a, b pdf.Object) {
	old, err1 := c.old.Array(a)
	now, err2 := c.now.Array(b)
	if err1 != nil || err2 != nil || !c.grew(old, now) {
		c.forbid("annotations were added or removed")
		return
	}
	c.allow("a signature field was added to a page")
}
