package pades

import (
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Flags of a widget (ISO 32000-2 table 167): Print, and the flags that hide it: Invisible, Hidden,
// NoView.
const (
	printFlag   = 4
	hidingFlags = 1 | 2 | 32
)

// maxAnnotations bounds the annotations of all pages together that are searched for the widget of a
// field.
const maxAnnotations = 5_000_000

// emptyField is an existing signature field without a signature, with its widget.
type emptyField struct {
	field  pdf.Ref
	widget pdf.Ref // equal to field if both are one dictionary
	rect   pdf.Rectangle
	lock   *pdf.Dict // /Lock; nil if missing
	seed   *pdf.Dict // /SV; nil if missing
	name   string
}

func fieldError(name, format string, args ...any) error {
	e := signing.Errorf(signing.KindVisible, format, args...)
	e.Detail = "visibleSignatureInfo.locationValue: the field \"" + name + "\" " + e.Detail
	return e
}

// locateField finds the empty signature field called name, its page and its rectangle.
func locateField(ctx context.Context, doc *pdf.Document, f *form, name string) (position, error) {
	var found *field
	signed := false // also true if another field of the same name is signed, because both count as one field
	err := walkFields(doc, f.dict, func(fd field) error {
		if fd.name != name {
			return nil
		}
		if found == nil {
			found = &fd
		}
		has, err := hasValue(doc, fd)
		signed = signed || has
		return err
	})
	switch {
	case err != nil:
		return position{}, err
	case found == nil:
		return position{}, fieldError(name, "is not in the document")
	case found.kind != "Sig":
		return position{}, fieldError(name, "is not a signature field")
	case signed:
		return position{}, fieldError(name, "is already signed")
	}
	return fieldPosition(ctx, doc, found, name)
}

// hasValue reports whether a field or one of its widgets has a value. A value does not belong in a
// widget, but readers look for it there.
func hasValue(doc *pdf.Document, f field) (bool, error) {
	kids, err := doc.ArrayAt(f.dict, "Kids")
	if err != nil {
		return false, err
	}
	for _, o := range append(pdf.Array{f.dict}, kids...) {
		dict, err := doc.Dict(o)
		if err != nil {
			return false, err
		}
		if value, err := doc.Get(dict.Get("V")); err != nil || value != nil {
			return true, err
		}
	}
	return false, nil
}

func fieldPosition(ctx context.Context, doc *pdf.Document, found *field, name string) (position, error) {
	kids, err := doc.ArrayAt(found.dict, "Kids")
	if err != nil {
		return position{}, err
	}
	if len(kids) > 1 {
		return position{}, fieldError(name, "has several widgets, and readers would show several signatures")
	}
	widget, dict, err := widgetOf(doc, *found)
	if err != nil {
		return position{}, err
	}
	if found.ref.Number == 0 || widget.Number == 0 {
		return position{}, fieldError(name, "is a direct object, and cannot be signed without rewriting its form")
	}
	e := &emptyField{field: found.ref, widget: widget, name: name}
	rect, ok, err := doc.Rectangle(dict.Get("Rect"))
	if err != nil {
		return position{}, err
	}
	if e.rect = rect; !ok {
		return position{}, fieldError(name, "has no rectangle")
	}
	if e.lock, err = doc.DictAt(found.dict, "Lock"); err != nil {
		return position{}, err
	}
	if e.seed, err = doc.DictAt(found.dict, "SV"); err != nil {
		return position{}, err
	}
	page, err := pageOf(ctx, doc, widget)
	if err == nil && page == nil {
		err = fieldError(name, "is on no page")
	}
	return position{page: page, field: e}, err
}

// pageOf returns the page that has a widget among its annotations, whatever the widget's /P says.
// It returns nil if no page has it.
func pageOf(ctx context.Context, doc *pdf.Document, widget pdf.Ref) (found *pdf.Page, err error) {
	looked := 0
	err = doc.Pages(0, func(p *pdf.Page) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		annotations, err := doc.Annotations(p)
		if looked += len(annotations); looked > maxAnnotations {
			return false, signing.Errorf(signing.KindTooComplex,
				"PDF is too complex: its pages have more than %d annotations", maxAnnotations)
		}
		if err == nil && slices.Contains(annotations, pdf.Object(widget)) {
			found = p
		}
		return found == nil, err
	})
	return found, err
}

// widgetOf returns the widget of a field: the field itself, or the first of its kids (ISO 32000-2
// 12.5.6.19). The reference is zero if the widget is a direct object.
func widgetOf(doc *pdf.Document, f field) (pdf.Ref, *pdf.Dict, error) {
	kids, err := doc.ArrayAt(f.dict, "Kids")
	if err != nil || len(kids) == 0 {
		return f.ref, f.dict, err
	}
	dict, err := doc.Dict(kids[0])
	ref, _ := kids[0].(pdf.Ref)
	return ref, dict, err
}

// sign signs the field: signature becomes its value, and form becomes the appearance of its widget.
// It changes only what is necessary, because readers judge every change after an earlier signature.
func (e *emptyField) sign(u *pdf.Update, signature, form pdf.Ref) error {
	field, err := u.EditDict(e.field)
	if err != nil {
		return err
	}
	field.Set("V", signature)
	widget, err := u.EditDict(e.widget)
	if err != nil {
		return err
	}
	widget.Set("V", signature) // also in a separate widget, because poppler and MuPDF look for it there
	widget.Set("AP", pdf.NewDict("N", form))
	widget.Delete("AS") // it selects one of several appearances
	flags, err := u.Document().Int(widget.Get("F"), 0)
	if err != nil {
		return err
	}
	if flags&printFlag == 0 || flags&hidingFlags != 0 {
		widget.Set("F", pdf.Int(flags&^hidingFlags|widgetFlags))
	}
	return nil
}

// reference returns the FieldMDP reference that the field's /Lock requires (ISO 32000-2 12.7.5.5,
// 12.8.2.4). It returns nil if there is no /Lock. The DocMDP part of /Lock, its /P, is left to
// readers, because this program certifies nothing.
func (e *emptyField) reference(doc *pdf.Document) (*pdf.Dict, error) {
	action, err := doc.Name(e.lock.Get("Action"))
	if err != nil || action != "All" && action != "Include" && action != "Exclude" {
		return nil, err
	}
	params := pdf.NewDict("Type", pdf.Name("TransformParams"), "V", pdf.Name("1.2"), "Action", action)
	names, err := doc.ArrayAt(e.lock, "Fields")
	if err != nil {
		return nil, err
	}
	if action != "All" && names != nil {
		params.Set("Fields", names)
	}
	_, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	return pdf.NewDict(
		"Type", pdf.Name("SigRef"), "TransformMethod", pdf.Name("FieldMDP"), "TransformParams", params, "Data", root,
	), nil
}
