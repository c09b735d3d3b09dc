package pdf

import (
	"math"
	"slices"

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

// inherited are the entries that a page takes from its ancestors.
type inherited struct{ resources, mediaBox, cropBox, rotate Object }

func (in inherited) with(node *Dict) inherited {
	for _, e := range []struct {
		key Name
		to  *Object
	}{{"Resources", &in.resources}, {"MediaBox", &in.mediaBox}, {"CropBox", &in.cropBox}, {"Rotate", &in.rotate}} {
		if v := node.Get(e.key); v != nil {
			*e.to = v
		}
	}
	return in
}

// pageWalk looks for one page, or for any number of them in order.
type pageWalk struct {
	d     *Document
	left  int // leaf pages to step over
	next  int // number of the next page that is visited, from 1
	nodes int
	kids  int
	path  map[Ref]bool
	visit func(*Page) (more bool, err error)
}

// PageCount is what the root of the page tree says, at least 0.
func (d *Document) PageCount() (int, error) {
	root, _, err := d.pageRoot()
	if err != nil {
		return 0, err
	}
	n, err := d.Int(root.Get("Count"), 0)
	return int(max(0, min(n, maxObjects))), err
}

// Page returns page n, from 0. Subtrees before it are stepped over by their /Count. KindVisible
// when there is no such page, which only a visible signature can ask for.
func (d *Document) Page(n int) (*Page, error) {
	var found *Page
	err := d.walkPages(n, func(p *Page) (bool, error) {
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
	return d.walkPages(first, visit)
}

func (d *Document) pageRoot() (*Dict, Ref, error) {
	catalog, _, err := d.Catalog()
	if err != nil {
		return nil, Ref{}, err
	}
	ref, ok := catalog.Get("Pages").(Ref)
	if !ok {
		return nil, Ref{}, damaged("its catalog names no page tree")
	}
	root, err := d.Dict(ref)
	if err == nil && root == nil {
		err = damaged("its page tree is missing")
	}
	return root, ref, err
}

func (d *Document) walkPages(first int, visit func(*Page) (bool, error)) error {
	if first < 0 {
		return signing.Errorf(signing.KindVisible, "page %d is out of range", first+1)
	}
	root, ref, err := d.pageRoot()
	if err != nil {
		return err
	}
	w := &pageWalk{d: d, left: first, next: first + 1, path: map[Ref]bool{}, visit: visit}
	_, err = w.node(root, ref, inherited{}, 0)
	return err
}

// node walks the subtree of a node; more is false when the walk is over.
func (w *pageWalk) node(node *Dict, ref Ref, in inherited, depth int) (more bool, err error) {
	if depth > maxPageDepth {
		return false, tooComplex("its page tree is deeper than %d", maxPageDepth)
	}
	if w.path[ref] {
		return false, damaged("its page tree contains a loop")
	}
	if w.nodes++; w.nodes > maxPageNodes {
		return false, tooComplex("its page tree has more than %d nodes", maxPageNodes)
	}
	in = in.with(node)
	kids, err := w.d.Get(node.Get("Kids"))
	if err != nil {
		return false, err
	}
	list, isTree := kids.(Array)
	if !isTree {
		return w.leaf(node, ref, in)
	}
	if w.left > 0 {
		count, err := w.d.Int(node.Get("Count"), -1)
		if err != nil {
			return false, err
		}
		if depth > 0 && count > 0 && count <= int64(w.left) {
			w.left -= int(count)
			return true, nil
		}
	}
	if w.kids += len(list); w.kids > maxPageKids {
		return false, tooComplex("its page tree has more than %d kids", maxPageKids)
	}
	w.path[ref] = true
	defer delete(w.path, ref)
	if w.returns(list) { // also behind the page that is looked for, where other readers go
		return false, damaged("its page tree contains a loop")
	}
	for _, o := range list {
		kid, ok := o.(Ref)
		if !ok {
			return false, damaged("its page tree holds a page that is no object of its own")
		}
		child, err := w.d.Dict(kid)
		if err != nil {
			return false, err
		}
		if child == nil {
			continue
		}
		if more, err := w.node(child, kid, in, depth+1); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// CheckPageTree refuses a page tree that leads back to one of its own nodes among the first
// maxTreeLook nodes. Page alone would not meet a loop behind the page that it looks for, but
// readers of the whole tree do. Nodes that cannot be read are left to them.
func (d *Document) CheckPageTree() error {
	root, ref, err := d.pageRoot()
	if err != nil {
		return err
	}
	looked := 0
	path := map[Ref]bool{}
	var look func(node *Dict, ref Ref) error
	look = func(node *Dict, ref Ref) error {
		if path[ref] {
			return damaged("its page tree contains a loop")
		}
		kids, err := d.ArrayAt(node, "Kids")
		if err != nil || len(kids) == 0 {
			return nil
		}
		path[ref] = true
		defer delete(path, ref)
		for _, o := range kids {
			kid, ok := o.(Ref)
			if looked++; looked > maxTreeLook {
				return nil
			}
			if child, err := d.Dict(kid); ok && err == nil {
				if err := look(child, kid); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return look(root, ref)
}

// returns reports whether one of the kids is a node on the way to them.
func (w *pageWalk) returns(kids Array) bool {
	return slices.ContainsFunc(kids, func(o Object) bool {
		ref, ok := o.(Ref)
		return ok && w.path[ref]
	})
}

func (w *pageWalk) leaf(node *Dict, ref Ref, in inherited) (bool, error) {
	if node.Get("Type") == Name("Pages") {
		return true, nil // a tree without kids
	}
	if w.left > 0 {
		w.left--
		return true, nil
	}
	p, err := w.d.makePage(node, ref, in)
	if err != nil {
		return false, err
	}
	p.Number = w.next
	w.next++
	return w.visit(p)
}

func (d *Document) makePage(node *Dict, ref Ref, in inherited) (*Page, error) {
	p := &Page{Ref: ref, Dict: node, Resources: in.resources, UserUnit: 1}
	var ok bool
	var err error
	if p.MediaBox, ok, err = d.Rectangle(in.mediaBox); err != nil {
		return nil, err
	}
	if !ok {
		p.MediaBox = Rectangle{0, 0, 612, 792} // required, yet missing in files that readers show as letter paper
	}
	if p.CropBox, ok, err = d.Rectangle(in.cropBox); err != nil {
		return nil, err
	}
	p.CropBox = clip(p.CropBox, p.MediaBox)
	if !ok || p.CropBox.Width() <= 0 || p.CropBox.Height() <= 0 {
		p.CropBox = p.MediaBox
	}
	rotate, err := d.Int(in.rotate, 0)
	if err != nil {
		return nil, err
	}
	if rotate%90 == 0 {
		p.Rotate = int((rotate%360 + 360) % 360)
	}
	unit, err := d.Get(node.Get("UserUnit"))
	if n, isNumber := unit.(Number); isNumber {
		if f, ok := n.Float(); ok && f > 0 {
			p.UserUnit = f
		}
	}
	return p, err
}

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
	return nil, damaged("/Annots of page %d is no array", p.Number)
}

func clip(r, to Rectangle) Rectangle {
	return Rectangle{max(r.X0, to.X0), max(r.Y0, to.Y0), min(r.X1, to.X1), min(r.Y1, to.Y1)}
}

// Rectangle reads a rectangle (ISO 32000-2 7.9.5), whose corners may come in any order; false where
// o is none.
func (d *Document) Rectangle(o Object) (Rectangle, bool, error) {
	v, err := d.Get(o)
	a, ok := v.(Array)
	if err != nil || !ok || len(a) != 4 {
		return Rectangle{}, false, err
	}
	var f [4]float64
	for i := range a {
		v, err := d.Get(a[i])
		if err != nil {
			return Rectangle{}, false, err
		}
		n, _ := v.(Number)
		if f[i], ok = n.Float(); !ok || math.Abs(f[i]) > 1e9 {
			return Rectangle{}, false, nil
		}
	}
	return Rectangle{min(f[0], f[2]), min(f[1], f[3]), max(f[0], f[2]), max(f[1], f[3])}, true, nil
}
