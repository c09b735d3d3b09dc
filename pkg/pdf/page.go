package pdf

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Page is one page with the attributes that it inherits from the page tree (ISO 32000-2 7.7.3.4).
type Page struct {
	Number    int // counted from 1
	Ref       Ref
	Dict      *Dict
	Resources Object // as written in the file; nil if the page has none
	MediaBox  Rectangle
	CropBox   Rectangle // within MediaBox; equal to MediaBox if the page has none
	Rotate    int       // 0, 90, 180 or 270 degrees clockwise
	UserUnit  float64   // in 1/72 inch; 1 if the page does not say
}

// Rectangle is a rectangle in default user space units. X0 and Y0 are its lower left corner, X1 and
// Y1 its upper right one.
type Rectangle struct{ X0, Y0, X1, Y1 float64 }

// Width is the rectangle's width.
func (r Rectangle) Width() float64 { return r.X1 - r.X0 }

// Height is the rectangle's height.
func (r Rectangle) Height() float64 { return r.Y1 - r.Y0 }

// Array returns the rectangle as an array object.
func (r Rectangle) Array() Array { return Array{Real(r.X0), Real(r.Y0), Real(r.X1), Real(r.Y1)} }

// Page returns page n, counted from 0. It skips the subtrees before the page by their /Count. The
// error is KindVisible if there is no such page, because only a visible signature asks for a page,
// and KindDamaged if the document has no page at all.
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

// Pages calls visit for each page in order, starting at page first, counted from 0. It stops when
// visit returns false or an error.
func (d *Document) Pages(first int, visit func(*Page) (more bool, err error)) error {
	return pageTree{d}.walk(first, visit)
}

// CheckPageTree returns KindDamaged if the page tree leads back to one of its own nodes within the
// first maxTreeLook nodes. Page alone does not find a loop behind the page that it looks for, but
// readers that read the whole tree do. CheckPageTree ignores nodes that cannot be read.
func (d *Document) CheckPageTree() error { return pageTree{d}.check() }

// Annotations returns the annotations of a page as they are written in the file; nil if there are
// none. The error names the page.
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
