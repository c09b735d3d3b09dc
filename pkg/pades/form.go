package pades

import (
	"context"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// maxLocked bounds the names of fields that earlier signatures lock, together.
const maxLocked = 100_000

// form is a document's interactive form (ISO 32000-2 12.7.3) as far as a new signature has to know
// it.
type form struct {
	dict   *pdf.Dict       // nil: there is none
	ref    pdf.Ref         // zero: it stands in the catalog itself
	names  map[string]bool // first parts of the fields' names, of those that could be a new field's
	any    bool            // there is a field
	locks  []lock
	locked int // names in locks
	// noAnnotations: the certification or a lock allows forms to be filled in and signed, and no new
	// annotations.
	noAnnotations bool
}

// readForm reads the form, and refuses one with an earlier signature that is broken.
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
		return f.note(doc, fd)
	})
}

// note takes down a field's name and, where it is signed, what the signature locks.
func (f *form) note(doc *pdf.Document, fd field) error {
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
	return f.noteLocks(doc, fd, value)
}
