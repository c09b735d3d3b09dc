package pdf

import (
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// pageTree reads the page tree of a document (ISO 32000-2 7.7.3). It has no state of its own.
type pageTree struct{ d *Document }

func (t pageTree) root() (*Dict, Ref, error) {
	catalog, _, err := t.d.Catalog()
	if err != nil {
		return nil, Ref{}, err
	}
	ref, ok := catalog.Get("Pages").(Ref)
	if !ok {
		return nil, Ref{}, damaged("its catalog does not name a page tree")
	}
	root, err := t.d.Dict(ref)
	if err == nil && root == nil {
		err = damaged("its page tree is missing")
	}
	return root, ref, err
}

func (t pageTree) walk(first int, visit func(*Page) (bool, error)) error {
	if first < 0 {
		return signing.Errorf(signing.KindVisible, "page %d is out of range", first+1)
	}
	root, ref, err := t.root()
	if err != nil {
		return err
	}
	w := &pageWalk{d: t.d, left: first, next: first + 1, path: map[Ref]bool{}, visit: visit}
	_, err = w.node(root, ref, inherited{}, 0)
	return err
}

// inherited is the entries that a page inherits from its ancestors.
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

// pageWalk visits pages in order, starting at one page.
type pageWalk struct {
	d     *Document
	left  int // pages to skip before the first visit
	next  int // number of the next visited page, counted from 1
	nodes int
	kids  int
	path  map[Ref]bool
	visit func(*Page) (more bool, err error)
}

// node walks the subtree of a node. more is false when the walk is over.
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
	if w.loops(list) { // also behind the wanted page, because other readers read that part
		return false, damaged("its page tree contains a loop")
	}
	for _, o := range list {
		kid, ok := o.(Ref)
		if !ok {
			return false, damaged("its page tree contains a page that is not an indirect object")
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

// check does the work of CheckPageTree.
func (t pageTree) check() error {
	root, ref, err := t.root()
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
		kids, err := t.d.ArrayAt(node, "Kids")
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
			if child, err := t.d.Dict(kid); ok && err == nil {
				if err := look(child, kid); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return look(root, ref)
}

// loops reports whether one of the kids is also one of their ancestors.
func (w *pageWalk) loops(kids Array) bool {
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
	p, err := makePage(w.d.resolver, node, ref, in)
	if err != nil {
		return false, err
	}
	p.Number = w.next
	w.next++
	return w.visit(p)
}

func makePage(r resolver, node *Dict, ref Ref, in inherited) (*Page, error) {
	p := &Page{Ref: ref, Dict: node, Resources: in.resources, UserUnit: 1}
	var ok bool
	var err error
	if p.MediaBox, ok, err = r.Rectangle(in.mediaBox); err != nil {
		return nil, err
	}
	if !ok {
		p.MediaBox = Rectangle{0, 0, 612, 792} // it is required, but readers show files without it as letter paper
	}
	if p.CropBox, ok, err = r.Rectangle(in.cropBox); err != nil {
		return nil, err
	}
	p.CropBox = clip(p.CropBox, p.MediaBox)
	if !ok || p.CropBox.Width() <= 0 || p.CropBox.Height() <= 0 {
		p.CropBox = p.MediaBox
	}
	rotate, err := r.Int(in.rotate, 0)
	if err != nil {
		return nil, err
	}
	if rotate%90 == 0 {
		p.Rotate = int((rotate%360 + 360) % 360)
	}
	unit, err := r.Get(node.Get("UserUnit"))
	if n, isNumber := unit.(Number); isNumber {
		if f, ok := n.Float(); ok && f > 0 {
			p.UserUnit = f
		}
	}
	return p, err
}

func clip(r, to Rectangle) Rectangle {
	return Rectangle{max(r.X0, to.X0), max(r.Y0, to.Y0), min(r.X1, to.X1), min(r.Y1, to.Y1)}
}
