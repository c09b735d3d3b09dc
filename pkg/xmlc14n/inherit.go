package xmlc14n

import "slices"

// inherit puts into c.attrs the attributes of the outermost element that is written, together with
// those that it inherits from elements that are not written. It returns false if there are none.
func (c *Canonicalizer) inherit(t *Token) bool {
	s := &t.src.scope
	var around []inheritable
	for _, a := range s.inherited {
		if a.depth < t.Depth {
			around = append(around, a)
		}
	}
	if len(around) == 0 {
		return false
	}
	c.attrs = append(c.attrs[:0], t.Attrs...)
	if c.cfg.Form.Method == Inclusive11 {
		c.inheritBase(around)
	}
	slices.Reverse(around) // the nearest first
	for _, a := range around {
		simple := string(a.local) == "lang" || string(a.local) == "space"
		if c.cfg.Form.Method == Inclusive10 || simple {
			c.inheritAttr(string(a.local), a.value, false)
		}
	}
	slices.SortStableFunc(c.attrs, compareAttrs)
	return true
}

// inheritAttr adds an attribute of the xml namespace. One that is there stays unless replace is
// set.
func (c *Canonicalizer) inheritAttr(local string, value []byte, replace bool) {
	i := slices.IndexFunc(c.attrs, func(a Attr) bool {
		return string(a.Local) == local && string(a.Space) == xmlNamespace
	})
	a := Attr{Name: []byte("xml:" + local), Local: []byte(local), Space: []byte(xmlNamespace), Value: value}
	switch {
	case i < 0:
		c.attrs = append(c.attrs, a)
	case replace:
		c.attrs[i] = a
	}
}

// inheritBase joins the values of xml:base of the elements around, outermost first, with that of
// the element itself (Canonical XML 1.1 section 2.4). It changes nothing if no element around has
// one. An empty result is not written.
func (c *Canonicalizer) inheritBase(around []inheritable) {
	var values []string
	for _, a := range around {
		if string(a.local) == "base" {
			values = append(values, string(a.value))
		}
	}
	if len(values) == 0 {
		return
	}
	isBase := func(a Attr) bool { return string(a.Local) == "base" && string(a.Space) == xmlNamespace }
	if i := slices.IndexFunc(c.attrs, isBase); i >= 0 {
		values = append(values, string(c.attrs[i].Value))
	}
	joined := values[len(values)-1]
	for i := len(values) - 2; i >= 0; i-- {
		joined = joinReferences(values[i], joined)
	}
	if joined == "" {
		c.attrs = slices.DeleteFunc(c.attrs, isBase)
		return
	}
	c.inheritAttr("base", []byte(joined), true)
}
