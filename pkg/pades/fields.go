package pades

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	maxFields     = 100_000 // of one form
	maxKids       = 200_000 // entries of all /Kids of one form, widgets included
	maxFieldDepth = 32      // levels of the field hierarchy
	maxNameBytes  = 4096    // of one fully qualified name
)

// field is a terminal form field (ISO 32000-2 12.7.4.2).
type field struct {
	ref  pdf.Ref // of the field; zero if it is a direct object
	dict *pdf.Dict
	name string // fully qualified
	kind pdf.Name
}

// formReader walks the fields of an interactive form.
type formReader struct {
	doc   *pdf.Document
	seen  map[pdf.Ref]bool
	count int
	kids  int
	visit func(field) error
}

// walkFields calls visit for each terminal field: one that has no fields below it.
func walkFields(doc *pdf.Document, form *pdf.Dict, visit func(field) error) error {
	roots, err := doc.ArrayAt(form, "Fields")
	if err != nil {
		return err
	}
	r := &formReader{doc: doc, seen: map[pdf.Ref]bool{}, visit: visit}
	return r.list(roots, "", "", 0)
}

func (r *formReader) list(fields pdf.Array, prefix string, kind pdf.Name, depth int) error {
	if depth > maxFieldDepth {
		return signing.Errorf(signing.KindTooComplex, "PDF is too complex: its form is deeper than %d levels", maxFieldDepth)
	}
	for _, o := range fields {
		if r.count++; r.count > maxFields {
			return signing.Errorf(signing.KindTooComplex, "PDF is too complex: its form has more than %d fields", maxFields)
		}
		ref, _ := o.(pdf.Ref)
		if ref.Number != 0 {
			if r.seen[ref] { // a loop, or a field that is listed twice
				continue
			}
			r.seen[ref] = true
		}
		dict, err := r.doc.Dict(o)
		if err != nil {
			return err
		}
		if dict == nil {
			continue
		}
		if err := r.readField(field{ref: ref, dict: dict, name: prefix, kind: kind}, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *formReader) readField(f field, depth int) error {
	title, err := r.doc.Get(f.dict.Get("T"))
	if err != nil {
		return err
	}
	if t, ok := title.(pdf.String); ok {
		if len(f.name)+len(t.Value) > maxNameBytes {
			return signing.Errorf(signing.KindTooComplex,
				"PDF is too complex: a form field's name has more than %d bytes", maxNameBytes)
		}
		if f.name != "" {
			f.name += "."
		}
		f.name += t.Text()
	}
	kind, err := r.doc.Name(f.dict.Get("FT"))
	if err != nil {
		return err
	}
	if kind != "" {
		f.kind = kind
	}
	kids, err := r.doc.ArrayAt(f.dict, "Kids")
	if err != nil {
		return err
	}
	if r.kids += len(kids); r.kids > maxKids {
		return signing.Errorf(signing.KindTooComplex, "PDF is too complex: its form has more than %d widgets", maxKids)
	}
	// Kids without /T are the field's widgets, not fields.
	var below pdf.Array
	for _, k := range kids {
		kid, err := r.doc.Dict(k)
		if err != nil {
			return err
		}
		if kid.Has("T") {
			below = append(below, k)
		}
	}
	if len(below) > 0 {
		return r.list(below, f.name, f.kind, depth+1)
	}
	return r.visit(f)
}
