package pades

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// Roles of objects that may be added or changed after a signature (ISO 32000-2 12.8.2.2, ETSI EN
// 319 142-1 5.4).
const (
	roleSignature  = "signature(s)"
	roleTimestamp  = "document timestamp(s)"
	roleField      = "signature field"
	roleStore      = "validation data"
	roleForm       = "form"
	roleCatalog    = "catalog"
	roleList       = "list of fields"
	roleMetadata   = "metadata"
	roleAppearance = "appearance of a form field"
)

// maxEmptyAppearance bounds an appearance that counts as empty, in bytes. Some writers leave a
// blank or an end of line in it.
const maxEmptyAppearance = 64

// isFree reports whether objects of a role may change freely. Such an object must have no other
// role.
func isFree(role string) bool {
	return role == roleStore || role == roleMetadata || role == roleAppearance
}

// roles says what the objects of one revision are used for.
type roles struct {
	doc         *pdf.Document
	of          map[pdf.Ref]string    // empty if an object has several roles
	names       map[pdf.Ref][]string  // names of the fields to which a field or widget belongs
	appearances map[pdf.Ref][]pdf.Ref // by appearance: the fields and widgets that it belongs to
	// of signature fields, by the field and each of its widgets; nil for an empty field
	value map[pdf.Ref]pdf.Object
	signs map[pdf.Ref]int // how many fields have the signature as their value
	// roots are the objects that the trailer refers to, without /Info. cut holds, for each object, its
	// references that only give a free role to their target.
	roots []int
	cut   map[int][]int
}

// findRoles walks the catalog, the form and the validation data of a revision.
func findRoles(doc *pdf.Document) (*roles, error) {
	r := &roles{
		doc:         doc,
		of:          map[pdf.Ref]string{},
		names:       map[pdf.Ref][]string{},
		appearances: map[pdf.Ref][]pdf.Ref{},
		value:       map[pdf.Ref]pdf.Object{},
		signs:       map[pdf.Ref]int{},
		cut:         map[int][]int{},
	}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	// Other keys of the trailer are private to their writer and show nothing.
	for _, key := range []pdf.Name{"Root", "Encrypt", "ID"} {
		r.roots = append(r.roots, pdf.NumbersIn(doc.Trailer().Get(key))...)
	}
	r.role(root, roleCatalog)
	r.role(catalog.Get("AcroForm"), roleForm)
	r.role(catalog.Get("Metadata"), roleMetadata)
	r.role(doc.Trailer().Get("Info"), roleMetadata)
	for _, key := range []pdf.Name{"Metadata", "DSS", "Extensions"} {
		r.exclude(root, catalog.Get(key))
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

// exclude records that the references in o, an entry of owner, are not followed.
func (r *roles) exclude(owner pdf.Ref, o pdf.Object) {
	r.cut[owner.Number] = append(r.cut[owner.Number], pdf.NumbersIn(o)...)
}

// addAppearances gives the appearance streams of a field's widget their role. An /AP that is not a
// dictionary shows nothing.
func (r *roles) addAppearances(ref pdf.Ref, widget *pdf.Dict) error {
	r.exclude(ref, widget.Get("AP"))
	return r.eachAppearance(widget, func(o pdf.Object) {
		r.role(o, roleAppearance)
		if face, ok := o.(pdf.Ref); ok {
			r.appearances[face] = append(r.appearances[face], ref)
		}
	})
}

// eachAppearance visits the entries of a widget's /AP, and the entries of the dictionaries of
// states among them (ISO 32000-2 12.5.5).
func (r *roles) eachAppearance(widget *pdf.Dict, visit func(pdf.Object)) error {
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
	var signature pdf.Object // as the field refers to it; nil for an empty field
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
			continue // the appearance belongs to the signature
		}
		if err := r.addAppearances(ref, widget); err != nil {
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

// isWidget reports whether an object can only be the widget of a signature field, or a field
// without a widget. Other annotations are not accepted, because readers draw them by their own
// entries and follow their actions.
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

// draws reports whether a widget may show something: by an appearance that is not empty, or by
// entries from which a reader makes an appearance. It is true in case of doubt.
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
	err = r.eachAppearance(widget, func(o pdf.Object) { shows = shows || r.paints(o) })
	return err != nil || shows
}

// paints reports whether an appearance is a stream that is not empty. It is true if the appearance
// cannot be read.
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
	content, err := io.ReadAll(io.LimitReader(data, maxEmptyAppearance))
	return err != nil || len(content) == maxEmptyAppearance || len(bytes.TrimSpace(content)) > 0
}

// store gives the document security store and the extensions that declare it their role.
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
