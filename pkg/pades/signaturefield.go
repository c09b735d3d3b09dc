package pades

import "github.com/signstash-proxy/signstash-proxy/pkg/pdf"

// signatureField compares a signature field or its widget. A signed field must not change. An empty
// field may be signed.
func (c *comparison) signatureField(ref pdf.Ref, old, now *pdf.Dict) {
	looks := func(_, _ pdf.Object) {
		switch {
		case c.oldRoles.value[ref] != nil:
			c.forbid("the field of a signature changed")
		case c.nowRoles.draws(ref) && !c.isLater(c.nowRoles.value[ref]):
			c.forbid("an empty signature field shows something")
		default:
			c.allowFilling(c.names(ref), "an empty signature field changed")
		}
	}
	c.dict("signature field", old, now, map[pdf.Name]func(a, b pdf.Object){
		"V": func(a, b pdf.Object) { c.onlySet(ref, a, b) }, "AP": looks, "F": looks, "Lock": looks, "M": nil,
	})
}

// appearance judges the change of an appearance that belongs to one field or to several.
func (c *comparison) appearance(ref pdf.Ref) {
	for _, owner := range c.oldRoles.appearances[ref] {
		if _, ok := c.oldRoles.value[owner]; ok && c.nowRoles.draws(owner) && !c.isLater(c.nowRoles.value[owner]) {
			c.forbid("an empty signature field shows something")
			return
		}
		c.allowFilling(c.names(owner), "the appearance of a form field changed")
	}
}

// onlySet checks that a signature field was empty before, and that its new value is a signature of
// its own.
func (c *comparison) onlySet(ref pdf.Ref, was, is pdf.Object) {
	switch {
	case was != nil:
		c.forbid("a signature was replaced")
	case !c.isLater(is):
		c.forbid("the value of a signature field is not its own signature")
	default:
		c.allowFilling(c.names(ref), "an empty signature field was signed")
	}
}
