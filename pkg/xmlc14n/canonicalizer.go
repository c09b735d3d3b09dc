package xmlc14n

import (
	"fmt"
	"io"
)

// Selector chooses elements. It is called with the start of an element and must not keep the token.
type Selector func(*Token) bool

// At selects the element that starts at the offset.
func At(offset int64) Selector { return func(t *Token) bool { return t.Start() == offset } }

// Named selects the elements with the expanded name.
func Named(space, local string) Selector { return func(t *Token) bool { return t.Is(space, local) } }

// Config says what a [Canonicalizer] writes.
type Config struct {
	Form Form
	// Select chooses the element to canonicalize in its place: the first one for which it returns
	// true. Without it the whole document is canonicalized.
	Select Selector
	// Omit chooses elements to leave out with all their content, like the transforms of enveloped
	// signatures do. It is asked for the selected element and the elements inside, but not inside an
	// element that it left out.
	Omit Selector
}

// Canonicalizer writes the canonical form of the tokens that it is given. It must get all tokens of
// one tokenizer in order. It must not be used by several goroutines at once.
type Canonicalizer struct {
	cfg  Config
	out  output
	ns   namespaces
	apex int // depth of the outermost element that is written, 0 outside of it
	omit int // depth of the element that is left out, 0 if there is none

	selected  bool // the element to canonicalize was found
	afterRoot bool
	attrs     []Attr // scratch
}

// New returns a canonicalizer that writes to w, which may be a [BlockWriter].
func New(w io.Writer, cfg Config) *Canonicalizer {
	c := &Canonicalizer{cfg: cfg}
	c.out.w = w
	c.out.own, _ = w.(BlockWriter)
	c.ns.exclusive = cfg.Form.Method == Exclusive
	for _, p := range cfg.Form.Prefixes {
		if p == "#default" {
			p = ""
		}
		c.ns.listed = append(c.ns.listed, p)
	}
	return c
}

// Canonicalize reads the document of t to its end and gives the tokens to all canonicalizers, and
// closes them. It returns the first error.
func Canonicalize(t *Tokenizer, cs ...*Canonicalizer) error {
	t.Leaves = true
	for {
		tok, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for _, c := range cs {
			if err := c.Token(tok); err != nil {
				return err
			}
		}
	}
	for _, c := range cs {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Token writes the canonical form of a token. The error is that of the writer.
func (c *Canonicalizer) Token(t *Token) error {
	if t.plain && t.Kind == Text && c.writes() {
		c.out.extend(t.from, t.to) // most tokens
		return c.out.err
	}
	if c.out.src != t.src {
		c.out.attach(t.src)
	}
	if c.writes() {
		if t.plain && t.Kind == Leaf && !c.omits(t) {
			c.plainLeaf(t, t.lead) // most others
			return c.out.err
		}
		if t.lead < t.at {
			c.out.extend(t.lead, t.at)
		}
		if t.plain && t.Kind == Leaf {
			return c.out.err // it is left out, and nothing is inside, so nothing has to know
		}
	}
	switch t.Kind {
	case StartElement:
		c.start(t)
	case EndElement:
		c.end(t)
	case Leaf:
		c.leaf(t)
	case Text:
		if c.writes() {
			c.text(t)
		}
	case Comment:
		if c.cfg.Form.Comments && c.includes(t) {
			c.bounded(t, "<!--", "-->")
		}
	case ProcInst:
		if c.includes(t) {
			c.instruction(t)
		}
	}
	return c.out.err
}

// Found says whether the selected element was found.
func (c *Canonicalizer) Found() bool { return c.selected }

// Close writes what is still buffered. It returns an error if the element to canonicalize was not
// in the document.
func (c *Canonicalizer) Close() error {
	c.out.close()
	if c.out.err == nil && !c.selected {
		return fmt.Errorf("canonicalize: the selected element is not in the document")
	}
	return c.out.err
}

// writes says whether the current place is inside what is written.
func (c *Canonicalizer) writes() bool { return c.apex != 0 && c.omit == 0 }

// includes says whether a comment or processing instruction is written. Those outside the root
// belong to the whole document.
func (c *Canonicalizer) includes(t *Token) bool {
	return c.writes() || c.cfg.Select == nil && t.Depth == t.src.scope.base
}

func (c *Canonicalizer) start(t *Token) {
	if c.omit != 0 {
		return
	}
	if c.apex == 0 {
		if c.selected || c.cfg.Select != nil && !c.cfg.Select(t) {
			return
		}
		c.apex = t.Depth
		c.selected = true
	}
	if c.omits(t) {
		c.omit = t.Depth
		return
	}
	c.startTag(t)
}

// omits says whether Config leaves out the element that starts. It is asked once for each element.
func (c *Canonicalizer) omits(t *Token) bool { return c.cfg.Omit != nil && c.cfg.Omit(t) }

// startTag writes the start tag of an element that is not left out.
func (c *Canonicalizer) startTag(t *Token) {
	apex := t.Depth == c.apex
	if t.plain && !apex && c.ns.complete(t) {
		c.out.extend(t.from, t.to)
		return
	}
	c.ns.start(t, apex)
	if apex && !c.ns.exclusive && c.inherit(t) {
		c.tag(t, c.attrs)
		return
	}
	if !t.plain {
		c.tag(t, t.Attrs)
		return
	}
	if len(c.ns.render) > 0 {
		name := t.from + 1 + len(t.place.name)
		c.out.extend(t.from, name)
		c.declarations(t)
		c.out.extend(name, t.to)
		return
	}
	c.out.extend(t.from, t.to)
}

// leaf writes a whole element that has only text, and differs from its canonical form or may be
// left out.
func (c *Canonicalizer) leaf(t *Token) {
	c.start(t)
	if c.writes() {
		c.out.extend(t.to, t.end)
	}
	c.leave(t.Depth)
}

// plainLeaf writes a leaf that differs from its canonical form at most in namespace declarations.
// The window is written from there on, which may be blanks in front of the leaf.
func (c *Canonicalizer) plainLeaf(t *Token, from int) {
	scope := &t.src.scope
	switch {
	case !c.ns.exclusive || c.ns.simpleLeaf(t) && (t.binding == none || !c.ns.needs(scope, t.binding)):
		c.out.extend(from, t.end)
	case c.ns.simpleLeaf(t):
		name := t.from + 1 + len(t.place.name)
		c.out.extend(from, name)
		c.out.insert(name, scope.bindings[t.binding].text)
		c.out.extend(name, t.end)
	default:
		c.out.extend(from, t.at)
		c.startTag(t)
		c.out.extend(t.to, t.end)
		c.leave(t.Depth)
	}
}

// tag writes a start tag.
func (c *Canonicalizer) tag(t *Token, attrs []Attr) {
	c.out.text("<")
	c.out.bytes(t.place.name)
	c.declarations(t)
	for i := range attrs {
		a := &attrs[i]
		if a.plain && len(a.Name)+len(a.Value) < copyBytes {
			c.out.attribute(a.Name, a.Value)
			continue
		}
		c.out.text(" ")
		c.out.bytes(a.Name)
		c.out.text(`="`)
		if a.plain {
			c.out.bytes(a.Value)
		} else {
			c.out.escape(a.Value, &attrEscapes)
		}
		c.out.text(`"`)
	}
	c.out.text(">")
}

// declarations writes the namespace declarations of a start tag.
func (c *Canonicalizer) declarations(t *Token) {
	for _, i := range c.ns.render {
		c.out.bytes(t.src.scope.bindings[i].text)
	}
}

func (c *Canonicalizer) end(t *Token) {
	if c.writes() {
		if t.plain {
			c.out.extend(t.from, t.to)
		} else {
			c.out.text("</")
			c.out.bytes(t.place.name)
			c.out.text(">")
		}
	}
	c.leave(t.Depth)
}

// leave notes that the element at the depth ended.
func (c *Canonicalizer) leave(depth int) {
	if c.apex == 0 {
		return
	}
	if c.omit == 0 {
		c.ns.end(depth)
	}
	if c.omit == depth {
		c.omit = 0
	}
	if c.apex == depth {
		c.apex = 0
		c.afterRoot = true
	}
}

func (c *Canonicalizer) text(t *Token) {
	if t.plain {
		c.out.extend(t.from, t.to)
		return
	}
	c.out.escape(t.Data(), &textEscapes)
}

// instruction writes a piece of a processing instruction. A blank stands between target and data.
func (c *Canonicalizer) instruction(t *Token) {
	before := ""
	if t.First {
		before = "<?" + string(t.Name())
		if len(t.Data()) > 0 {
			before += " "
		}
	}
	c.bounded(t, before, "?>")
}

// bounded writes a piece of a comment or processing instruction. Outside the root element a line
// feed separates it from the root (Canonical XML 1.0 section 2.3).
func (c *Canonicalizer) bounded(t *Token, before, after string) {
	if t.First {
		if c.apex == 0 && c.afterRoot {
			c.out.text("\n")
		}
		c.out.text(before)
	}
	c.out.bytes(t.Data())
	if t.Last {
		c.out.text(after)
		if c.apex == 0 && !c.afterRoot {
			c.out.text("\n")
		}
	}
}
