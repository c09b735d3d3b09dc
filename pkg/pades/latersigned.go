package pades

import "github.com/signstash-proxy/signstash-proxy/pkg/pdf"

// mayJoin reports whether an object may become an entry of a list: as the widget of a signature
// field that is new or was one before, and that shows nothing unless somebody signed with it.
func (c *comparison) mayJoin(ref pdf.Ref) bool {
	value, ok := c.is.value[ref]
	if !ok || !c.is.isWidget(ref) || c.is.draws(ref) && !c.isLater(value) {
		return false
	}
	_, was := c.was.value[ref]
	return was || c.isNew(ref)
}

// isNew reports whether the older revision has no object of that number.
func (c *comparison) isNew(ref pdf.Ref) bool {
	_, before, err := c.old.ByNumber(ref.Number)
	return err == nil && before == nil
}

// isLater reports whether a field's value is a signature, of that field alone, that was made after
// the older revision: whoever shows another one once more shows what nobody signed.
func (c *comparison) isLater(value pdf.Object) bool {
	ref, ok := value.(pdf.Ref)
	if !ok || c.is.signs[ref] != 1 || !c.isNew(ref) {
		return false
	}
	dict, err := c.now.Dict(ref)
	if err != nil || dict == nil {
		return false
	}
	r, err := readByteRange(c.now, dict)
	return err == nil && r.gapStart >= c.old.Size()
}

// signatureField compares a signature field or its widget. One that was signed stays as it is; one
// that was not may be signed.
func (c *comparison) signatureField(ref pdf.Ref, old, now *pdf.Dict) {
	looks := func(_, _ pdf.Object) {
		switch {
		case c.was.value[ref] != nil:
			c.mayNot("the field of a signature changed")
		case c.is.draws(ref) && !c.isLater(c.is.value[ref]):
			c.mayNot("a signature field that nobody signed shows something")
		default:
			c.fill(c.names(ref), "an empty signature field changed")
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
			c.mayNot("a signature field that nobody signed shows something")
			return
		}
		c.fill(c.names(owner), "the appearance of a form field changed")
	}
}

// onlySet wants a signature field to have been empty before, and to have got a signature that is
// its own.
func (c *comparison) onlySet(ref pdf.Ref, was, is pdf.Object) {
	switch {
	case was != nil:
		c.mayNot("a signature was replaced")
	case !c.isLater(is):
		c.mayNot("a signature field got a signature that is not its own")
	default:
		c.fill(c.names(ref), "an empty signature field was signed")
	}
}
