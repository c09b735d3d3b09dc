package pdf

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Page is one page with what it inherits from the page tree (ISO 32000-2 7.7.3.4).
type Page struct {
	Number    int // counted from 1
	Ref       Ref
	Dict      *Dict
	Resources Object // as it is written; nil where there is none
	MediaBox  Rectangle
	CropBox   Rectangle // within MediaBox; equal to it where there is none
	Rotate    int       // 0, 90, 180 or 270 degrees clockwise
	UserUnit  float64   // 1/72 inch; 1 unless the page says otherwise
}

// Rectangle is a rectangle with its lower left and upper right corner, in default user space units.
type Rectangle struct{ X0, Y0, X1, Y1 float64 }

// Width is the rectangle's width.
func (r Rectangle) Width() float64 { return r.X1 - r.X0 }

// Height is the rectangle's height.
func (r Rectangle) Height() float64 { return r.Y1 - r.Y0 }

// Array returns the rectangle as an array object.
func (r Rectangle) Array() Array { return Array{Real(r.X0), Real(r.Y0), Real(r.X1), Real(r.Y1)} }

// Page returns page n, from 0. Subtrees before it are stepped over by their /Count. KindVisible
// when there is no such page, which only a visible signature can ask for.
func (d *Document) Page(n int) (*Page, error) {
	var found *Page
	err := pageTree{d}.walk(n, func(p *Page) (bool, error) {
		found = p
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil && n == 0 {
		return nil, damaged("it has no page")
	}
	if found == nil {
		return nil, signing.Errorf(signing.KindVisible, "page %d is out of range", n+1)
	}
	return found, nil
}

// Pages calls visit for each page from page first, counted from 0, on, in order, until visit
// returns false or an error.
func (d *Document) Pages(first int, visit func(*Page) (more bool, err error)) error {
	return pageTree{d}.walk(first, visit)
}

// CheckPageTree refuses a page tree that leads back to one of its own nodes among the first
// maxTreeLook nodes. Page alone would not meet a loop behind the page that it looks for, but
// readers of the whole tree do. Nodes that cannot be read are left to them.
func (d *Document) CheckPageTree() error { return pageTree{d}.check() }

// Annotations returns the page's annotations as they are written; nil where there are none. The
// error names the page.
func (d *Document) Annotations(p *Page) (Array, error) {
	o := p.Dict.Get("Annots")
	v, err := d.Get(o)
	if err != nil || v == nil {
		return nil, err
	}
	if a, ok := v.(Array); ok {
		return a, nil
	}
	return nil, damaged("/Annots of page %d is not an array", p.Number)
}
