package pades

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Roles of objects that may come or change after a signature (ISO 32000-2 12.8.2.2, ETSI EN 319 142-1 5.4).
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

// maxEmptyFace is how many bytes an appearance that shows nothing may take: some writers leave a blank or an end of line.
const maxEmptyFace = 64

// isFree reports whether objects of a role may become anything, so that they must not be used for anything else.
func isFree(role string) bool { return role == roleStore || role == roleMetadata || role == roleFace }

// roles is what the objects of one revision are for.
type roles struct {
	doc      *pdf.Document
	of       map[pdf.Ref]string // empty where an object has several
	isWidget map[pdf.Ref]bool   // of signature fields
	drawn    map[pdf.Ref]bool   // those of them that show something though nobody signed
	// roots are what the trailer refers to, but for /Info; cut is what objects refer to in order to give it a role that is free.
	roots []int
	cut   map[int][]int
}

// findRoles walks catalog, form and validation data of a revision.
func findRoles(doc *pdf.Document) (*roles, error) {
	r := &roles{doc: doc, of: map[pdf.Ref]string{}, isWidget: map[pdf.Ref]bool{}, drawn: map[pdf.Ref]bool{}, cut: map[int][]int{}}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	for _, key := range []pdf.Name{"Root", "Encrypt", "ID"} { // keys of a writer's own, which may name anything, show nothing
		r.roots = append(r.roots, pdf.NumbersIn(doc.Trailer().Get(key))...)
	}
	r.role(root, roleCatalog)
	r.role(catalog.Get("AcroForm"), roleForm)
	r.role(catalog.Get("Metadata"), roleMetadata)
	r.role(doc.Trailer().Get("Info"), roleMetadata)
	for _, key := range []pdf.Name{"Metadata", "DSS", "Extensions"} {
		r.leave(root, catalog.Get(key))
	}
	form, err := doc.Dict(catalog.Get("AcroForm"))
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

// faces gives the appearance streams of a field's widget their role. An /AP that is no dictionary shows nothing.
func (r *roles) faces(ref pdf.Ref, widget *pdf.Dict) error {
	r.leave(ref, widget.Get("AP"))
	o, err := r.doc.Get(widget.Get("AP"))
	if err != nil {
		return err
	}
	appearance, _ := o.(*pdf.Dict)
	for _, o := range appearance.All() {
		r.role(o, roleFace)
		states, err := r.doc.Get(o)
		if err != nil {
			return err
		}
		if d, ok := states.(*pdf.Dict); ok {
			for _, state := range d.All() {
				r.role(state, roleFace)
			}
		}
	}
	return nil
}

func (r *roles) field(f field) error {
	kids, err := r.doc.Array(f.dict.Get("Kids"))
	if err != nil {
		return err
	}
	for _, o := range kids {
		kid, err := r.doc.Dict(o)
		if err != nil {
			return err
		}
		ref, _ := o.(pdf.Ref)
		if err := r.faces(ref, kid); err != nil {
			return err
		}
	}
	if err := r.faces(f.ref, f.dict); err != nil || f.kind != "Sig" {
		return err
	}
	return r.signatureField(f, kids)
}

func (r *roles) signatureField(f field, kids pdf.Array) error {
	value, err := r.doc.Dict(f.dict.Get("V"))
	if err != nil {
		return err
	}
	for _, o := range append(kids[:len(kids):len(kids)], f.ref) {
		if ref, ok := o.(pdf.Ref); ok {
			r.isWidget[ref] = true
			r.drawn[ref] = value == nil && r.draws(ref)
			r.role(ref, roleField)
		}
	}
	role := roleSignature
	if value.Get("SubFilter") == subFilterTimestamp {
		role = roleTimestamp
	}
	r.role(f.dict.Get("V"), role)
	return nil
}

// draws reports whether a widget has an appearance that is not empty, or may not be.
func (r *roles) draws(ref pdf.Ref) bool {
	widget, err := r.doc.Dict(ref)
	if err != nil {
		return true
	}
	appearance, err := r.doc.Dict(widget.Get("AP"))
	if err != nil {
		return true
	}
	normal, err := r.doc.Get(appearance.Get("N"))
	if err != nil || normal == nil {
		return err != nil
	}
	stm, ok := normal.(*pdf.Stream)
	if !ok {
		return true
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
	dss, err := r.doc.Dict(catalog.Get("DSS"))
	if err != nil {
		return err
	}
	r.role(dss.Get("VRI"), roleStore)
	for _, key := range []pdf.Name{"Certs", "OCSPs", "CRLs"} {
		r.role(dss.Get(key), roleStore)
		list, err := r.doc.Array(dss.Get(key))
		if err != nil {
			return err
		}
		for _, o := range list {
			r.role(o, roleStore)
		}
	}
	return nil
}
