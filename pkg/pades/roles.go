package pades

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Roles of objects that may come or change after a signature (ISO 32000-2 12.8.2.2, ETSI EN 319
// 142-1 5.4).
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

// maxEmptyFace is how many bytes an appearance that shows nothing may take: some writers leave a
// blank or an end of line.
const maxEmptyFace = 64

// isFree reports whether objects of a role may become anything, so that they must not be used for
// anything else.
func isFree(role string) bool { return role == roleStore || role == roleMetadata || role == roleFace }

// roles is what the objects of one revision are for.
type roles struct {
	doc   *pdf.Document
	of    map[pdf.Ref]string     // empty where an object has several
	names map[pdf.Ref][]string   // of the fields to which a field or widget belongs
	faces map[pdf.Ref][]pdf.Ref  // the fields and widgets of which something is an appearance
	value map[pdf.Ref]pdf.Object // of signature fields, by the field and each of its widgets; nil where nobody signed
	signs map[pdf.Ref]int        // fields that have the signature as their value
	// roots are what the trailer refers to, but for /Info; cut is what objects refer to in order to
	// give it a role that is free.
	roots []int
	cut   map[int][]int
}

// findRoles walks catalog, form and validation data of a revision.
func findRoles(doc *pdf.Document) (*roles, error) {
	r := &roles{
		doc:   doc,
		of:    map[pdf.Ref]string{},
		names: map[pdf.Ref][]string{},
		faces: map[pdf.Ref][]pdf.Ref{},
		value: map[pdf.Ref]pdf.Object{},
		signs: map[pdf.Ref]int{},
		cut:   map[int][]int{},
	}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	// keys of a writer's own, which may name anything, show nothing
	for _, key := range []pdf.Name{"Root", "Encrypt", "ID"} {
		r.roots = append(r.roots, pdf.NumbersIn(doc.Trailer().Get(key))...)
	}
	r.role(root, roleCatalog)
	r.role(catalog.Get("AcroForm"), roleForm)
	r.role(catalog.Get("Metadata"), roleMetadata)
	r.role(doc.Trailer().Get("Info"), roleMetadata)
	for _, key := range []pdf.Name{"Metadata", "DSS", "Extensions"} {
		r.leave(root, catalog.Get(key))
	}
	form, err := doc.DictAt(catalog, "AcroForm")
	if err != nil {
		return nil, err
	}
	r.role(form.Get("Fields"), roleList)
	if err := walkFields(doc, form, r.field); err != nil {
		return nil, err
	}
	return r, r.store(catalog)
}

func (r *roles) role(o pdf.Object, role string) {
	ref, ok := o.(pdf.Ref)
	if !ok {
		return
	}
	if other, ok := r.of[ref]; ok && other != role {
		role = ""
	}
	r.of[ref] = role
}

// leave notes that what an object refers to by o is not to be followed.
func (r *roles) leave(owner pdf.Ref, o pdf.Object) {
	r.cut[owner.Number] = append(r.cut[owner.Number], pdf.NumbersIn(o)...)
}

// look gives the appearance streams of a field's widget their role. An /AP that is no dictionary
// shows nothing.
func (r *roles) look(ref pdf.Ref, widget *pdf.Dict) error {
	r.leave(ref, widget.Get("AP"))
	return r.eachFace(widget, func(o pdf.Object) {
		r.role(o, roleFace)
		if face, ok := o.(pdf.Ref); ok {
			r.faces[face] = append(r.faces[face], ref)
		}
	})
}

// eachFace visits the entries of a widget's /AP, and those of the dictionaries of states among them
// (ISO 32000-2 12.5.5).
func (r *roles) eachFace(widget *pdf.Dict, visit func(pdf.Object)) error {
	o, err := r.doc.Get(widget.Get("AP"))
	if err != nil {
		return err
	}
	appearance, _ := o.(*pdf.Dict)
	for _, o := range appearance.All() {
		visit(o)
		states, err := r.doc.Get(o)
		if err != nil {
			return err
		}
		if d, ok := states.(*pdf.Dict); ok {
			for _, state := range d.All() {
				visit(state)
			}
		}
	}
	return nil
}

func (r *roles) field(f field) error {
	kids, err := r.doc.ArrayAt(f.dict, "Kids")
	if err != nil {
		return err
	}
	value, err := r.doc.Get(f.dict.Get("V"))
	if err != nil {
		return err
	}
	var signature pdf.Object // as the field names it; nil where nobody signed
	if f.kind == "Sig" && value != nil {
		signature = f.dict.Get("V")
	}
	for i, o := range append(kids[:len(kids):len(kids)], f.ref) {
		widget := f.dict
		if i < len(kids) {
			if widget, err = r.doc.Dict(o); err != nil {
				return err
			}
		}
		ref, own := o.(pdf.Ref)
		r.names[ref] = append(r.names[ref], f.name)
		if own && f.kind == "Sig" {
			r.role(ref, roleField)
			r.value[ref] = signature
		}
		if signature != nil {
			continue // how it looks belongs to the signature
		}
		if err := r.look(ref, widget); err != nil {
			return err
		}
	}
	if signature != nil {
		r.signature(signature, value)
	}
	return nil
}

// signature gives a field's value its role.
func (r *roles) signature(v, value pdf.Object) {
	role := roleSignature
	if d, ok := value.(*pdf.Dict); ok && d.Get("SubFilter") == subFilterTimestamp {
		role = roleTimestamp
	}
	r.role(v, role)
	if ref, ok := v.(pdf.Ref); ok {
		r.signs[ref]++
	}
}

// isWidget reports whether an object may be the widget of a signature field, or a field without
// one, and nothing else: readers draw other annotations by their own entries, and follow actions.
func (r *roles) isWidget(ref pdf.Ref) bool {
	d, err := r.doc.Dict(ref)
	if err != nil {
		return false
	}
	kind, subtype := d.Get("Type"), d.Get("Subtype")
	return (kind == nil || kind == pdf.Name("Annot")) && (subtype == nil || subtype == pdf.Name("Widget")) &&
		!d.Has("A") &&
		!d.Has("AA")
}

// draws reports whether a widget has an appearance that is not empty, or may not be: of its own, or
// that a reader makes up.
func (r *roles) draws(ref pdf.Ref) bool {
	widget, err := r.doc.Dict(ref)
	if err != nil {
		return true
	}
	look, err := r.doc.DictAt(widget, "MK")
	if err != nil || look.Has("BG") || look.Has("BC") || look.Has("CA") {
		return true
	}
	shows := false
	err = r.eachFace(widget, func(o pdf.Object) { shows = shows || r.paints(o) })
	return err != nil || shows
}

// paints reports whether an appearance is a stream that is not empty, or something that cannot be
// read.
func (r *roles) paints(face pdf.Object) bool {
	o, err := r.doc.Get(face)
	if err != nil {
		return true
	}
	stm, ok := o.(*pdf.Stream)
	if !ok {
		return false // a dictionary's entries are visited themselves
	}
	data, err := r.doc.Data(stm)
	if err != nil {
		return true
	}
	content, err := io.ReadAll(io.LimitReader(data, maxEmptyFace))
	return err != nil || len(content) == maxEmptyFace || len(bytes.TrimSpace(content)) > 0
}

// store gives a role to the document security store, and to the extensions that declare it.
func (r *roles) store(catalog *pdf.Dict) error {
	r.role(catalog.Get("DSS"), roleStore)
	r.role(catalog.Get("Extensions"), roleStore)
	dss, err := r.doc.DictAt(catalog, "DSS")
	if err != nil {
		return err
	}
	r.role(dss.Get("VRI"), roleStore)
	for _, key := range []pdf.Name{"Certs", "OCSPs", "CRLs"} {
		r.role(dss.Get(key), roleStore)
		list, err := r.doc.ArrayAt(dss, key)
		if err != nil {
			return err
		}
		for _, o := range list {
			r.role(o, roleStore)
		}
	}
	return nil
}
