package pades

import (
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Roles of objects that may come or change after a signature (ISO 32000-2 12.8.2.2, ETSI EN 319 142-1 5.4).
const (
	roleSignature = "signature(s)"
	roleTimestamp = "document timestamp(s)"
	roleField     = "signature field"
	roleStore     = "validation data"
	roleForm      = "form"
	roleCatalog   = "catalog"
	roleList      = "list of fields"
	roleMetadata  = "metadata"
	roleFace      = "appearance of a form field"
)

// findRoles walks catalog, form and validation data of the newer revision.
func (c *comparison) findRoles() error {
	catalog, root, err := c.now.Catalog()
	if err != nil {
		return err
	}
	c.roles[root] = roleCatalog
	c.role(catalog.Get("AcroForm"), roleForm)
	c.role(catalog.Get("Metadata"), roleMetadata)
	c.role(c.now.Trailer().Get("Info"), roleMetadata)
	form, err := c.now.Dict(catalog.Get("AcroForm"))
	if err != nil {
		return err
	}
	c.role(form.Get("Fields"), roleList)
	if err := walkFields(c.now, form, c.fieldRoles); err != nil {
		return err
	}
	return c.storeRoles(catalog)
}

func (c *comparison) role(o pdf.Object, role string) {
	if ref, ok := o.(pdf.Ref); ok {
		c.roles[ref] = role
	}
}

// faces gives the appearance streams of a field's widget their role.
func (c *comparison) faces(widget *pdf.Dict) error {
	appearance, err := c.now.Dict(widget.Get("AP"))
	if err != nil {
		return err
	}
	for _, o := range appearance.All() {
		c.role(o, roleFace)
		states, err := c.now.Get(o)
		if err != nil {
			return err
		}
		if d, ok := states.(*pdf.Dict); ok {
			for _, state := range d.All() {
				c.role(state, roleFace)
			}
		}
	}
	return nil
}

func (c *comparison) fieldRoles(f field) error {
	kids, err := c.now.Array(f.dict.Get("Kids"))
	if err != nil {
		return err
	}
	for _, o := range kids {
		kid, err := c.now.Dict(o)
		if err != nil {
			return err
		}
		if err := c.faces(kid); err != nil {
			return err
		}
	}
	if err := c.faces(f.dict); err != nil || f.kind != "Sig" {
		return err
	}
	return c.signatureField(f)
}

func (c *comparison) signatureField(f field) error {
	kids, err := c.now.Array(f.dict.Get("Kids"))
	if err != nil {
		return err
	}
	for _, o := range append(kids[:len(kids):len(kids)], f.ref) {
		if ref, ok := o.(pdf.Ref); ok {
			c.isWidget[ref] = true
			c.roles[ref] = roleField
		}
	}
	value, err := c.now.Dict(f.dict.Get("V"))
	if err != nil {
		return err
	}
	role := roleSignature
	if value.Get("SubFilter") == subFilterTimestamp {
		role = roleTimestamp
	}
	c.role(f.dict.Get("V"), role)
	return nil
}

func (c *comparison) storeRoles(catalog *pdf.Dict) error {
	c.role(catalog.Get("DSS"), roleStore)
	c.role(catalog.Get("Extensions"), roleStore)
	dss, err := c.now.Dict(catalog.Get("DSS"))
	if err != nil {
		return err
	}
	c.role(dss.Get("VRI"), roleStore)
	for _, key := range []pdf.Name{"Certs", "OCSPs", "CRLs"} {
		c.role(dss.Get(key), roleStore)
		list, err := c.now.Array(dss.Get(key))
		if err != nil {
			return err
		}
		for _, o := range list {
			c.role(o, roleStore)
		}
	}
	return nil
}

func (c *comparison) may(format string, args ...any) {
	c.allowed = appendOnce(c.allowed, fmt.Sprintf(format, args...))
}

func (c *comparison) mayNot(format string, args ...any) {
	c.forbidden = appendOnce(c.forbidden, fmt.Sprintf(format, args...))
}

// fill is for what filling in a form and signing do: a certification may forbid it.
func (c *comparison) fill(format string, args ...any) {
	if c.permission == 1 {
		c.mayNot(format, args...)
		return
	}
	c.may(format, args...)
}

// filling are the entries of a field or its widget that filling it in changes.
func (c *comparison) filling() map[pdf.Name]func(a, b pdf.Object) {
	value := func(_, _ pdf.Object) { c.fill("a form field was filled in") }
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
	switch role := c.roles[ref]; {
	case role == roleStore:
		c.may("validation data changed")
	case role == roleMetadata:
		c.may("metadata changed")
	case role == roleFace:
		c.fill("the appearance of a form field changed")
	case role == roleList:
		c.fields(before, after)
	case !isDict || !stillDict:
		c.other(ref, before)
	case role == roleCatalog:
		c.dict("catalog", old, now, map[pdf.Name]func(a, b pdf.Object){
			"AcroForm": c.form, "DSS": nil, "Extensions": nil, "Version": nil, "Metadata": nil,
		})
	case role == roleForm:
		c.form(old, now)
	case role == roleField:
		c.dict("signature field", old, now, map[pdf.Name]func(a, b pdf.Object){"V": c.onlySet, "AP": nil, "F": nil, "Lock": nil, "M": nil})
	case old.Get("Type") == pdf.Name("Page"):
		c.dict("page", old, now, map[pdf.Name]func(a, b pdf.Object){"Annots": c.annotations})
	case old.Get("FT") != nil || old.Get("Subtype") == pdf.Name("Widget"):
		c.dict(fmt.Sprintf("form field of object %d", ref.Number), old, now, c.filling())
	default:
		c.other(ref, before)
	}
}

// other is an object without a role: an array of annotations may grow, anything else must stay.
func (c *comparison) other(ref pdf.Ref, before pdf.Object) {
	after, err := c.now.Object(ref)
	if a, ok := before.(pdf.Array); ok && err == nil {
		if b, ok := after.(pdf.Array); ok && c.grew(a, b) {
			c.may("signature field put on a page")
			return
		}
	}
	c.mayNot("object %d changed", ref.Number)
}

// dict compares entries; those in may are passed on, or allowed where there is nobody to pass them to.
func (c *comparison) dict(what string, old, now *pdf.Dict, may map[pdf.Name]func(a, b pdf.Object)) {
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

// grew reports whether now is old with signature fields added.
func (c *comparison) grew(old, now pdf.Array) bool {
	kept := 0
	for _, o := range now {
		if kept < len(old) && pdf.Equal(old[kept], o) {
			kept++
			continue
		}
		if ref, ok := o.(pdf.Ref); !ok || !c.isWidget[ref] {
			return false
		}
	}
	return kept == len(old)
}

// onlySet wants a signature field to have been empty before.
func (c *comparison) onlySet(a, _ pdf.Object) {
	if a != nil {
		c.mayNot("a signature was replaced")
		return
	}
	c.fill("an empty signature field was signed")
}
