package pades

import (
	"context"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// maxLocked bounds how many field names all earlier signatures together may lock.
const maxLocked = 100_000

// form is the part of a document's interactive form (ISO 32000-2 12.7.3) that matters for a new
// signature.
type form struct {
	dict   *pdf.Dict       // nil if the document has no form
	ref    pdf.Ref         // zero if the form is a direct object in the catalog
	names  map[string]bool // first parts of field names that a new field could collide with
	any    bool            // the form has at least one field
	locks  []lock
	locked int // number of names in locks
	// noAnnotations is true if the certification or a lock allows filling in and signing forms, but no
	// new annotations.
	noAnnotations bool
}

// readForm reads the form. It refuses a form with an earlier signature whose ByteRange is broken.
func readForm(ctx context.Context, doc *pdf.Document) (*form, error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	f := &form{names: map[string]bool{}}
	f.ref, _ = catalog.Get("AcroForm").(pdf.Ref)
	if f.dict, err = doc.DictAt(catalog, "AcroForm"); err != nil || f.dict == nil {
		return f, err
	}
	if key, dup := f.dict.Duplicate(); dup {
		return nil, damaged("its form has the key /%s twice", string(key))
	}
	return f, walkFields(doc, f.dict, func(fd field) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return f.readField(doc, fd)
	})
}

// readField records the name of a field and, if the field is signed, what the signature locks.
func (f *form) readField(doc *pdf.Document, fd field) error {
	f.any = true
	if first, _, _ := strings.Cut(fd.name, "."); strings.HasPrefix(first, newField) && len(first) < 2*len(newField) {
		f.names[first] = true
	}
	if fd.kind != "Sig" {
		return nil
	}
	value, err := doc.DictAt(fd.dict, "V")
	if err != nil || value == nil {
		return err
	}
	if err := checkByteRange(doc, value); err != nil {
		return err
	}
	p, err := certification(doc, value)
	if err != nil {
		return err
	}
	f.noAnnotations = f.noAnnotations || p == 2
	return f.readLocks(doc, fd, value)
}
