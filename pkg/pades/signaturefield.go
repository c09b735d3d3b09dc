package pades

import "github.com/signstash-proxy/signstash-proxy/pkg/pdf"

// signatureField compares a signature field or its widget. One that was signed stays as it is; one
// that was not may be signed.
func (c *comparison) signatureField(ref pdf.Ref, old, now *pdf.Dict) {
	looks := func(_, _ pdf.Object) {
		switch {
		case c.was.value[ref] != nil:
			c.forbid("the field of a signature changed")
		case c.is.draws(ref) && !c.isLater(c.is.value[ref]):
			c.forbid("a signature field that nobody signed shows something")
		default:
			c.allowFilling(c.names(ref), "an empty signature field changed")
		}
	}
	c.dict("signature field", old, now, map[pdf.Name]func(a, b pdf.Object){
		"V": func(a, b pdf.Object) { c.onlySet(ref, a, b) }, "AP": looks, "F": looks, "Lock": looks, "M": nil,
	})
}

// face compares an appearance that was a field's, or several fields'.
func (c *comparison) face(ref pdf.Ref) {
	for _, owner := range c.was.faces[ref] {
		if _, ok := c.was.value[owner]; ok && c.is.draws(owner) && !c.isLater(c.is.value[owner]) {
			c.forbid("a signature field that nobody signed shows something")
			return
		}
		c.allowFilling(c.names(owner), "the appearance of a form field changed")
	}
}

// onlySet wants a signature field to have been empty before, and to have got a signature that is
// its own.
func (c *comparison) onlySet(ref pdf.Ref, was, is pdf.Object) {
	switch {
	case was != nil:
		c.forbid("a signature was replaced")
	case !c.isLater(is):
		c.forbid("a signature field got a signature that is not its own")
	default:
		c.allowFilling(c.names(ref), "an empty signature field was signed")
	}
}
