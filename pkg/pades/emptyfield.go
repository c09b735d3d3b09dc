package pades

import (
	"context"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Flags of a widget (ISO 32000-2 table 167): Print, and those that would keep it from being seen:
// Invisible, Hidden, NoView.
const (
	printFlag   = 4
	hidingFlags = 1 | 2 | 32
)

// maxAnnotations bounds those of all pages, together, that are looked through for a field's widget.
const maxAnnotations = 5_000_000

// emptyField is an existing signature field without a signature, and its widget.
type emptyField struct {
	field  pdf.Ref
	widget pdf.Ref // the field itself where the two are one dictionary
	rect   pdf.Rectangle
	lock   *pdf.Dict // /Lock; nil = none
	seed   *pdf.Dict // /SV; nil = none
	name   string
}

func noField(name, format string, args ...any) error {
	e := signing.Errorf(signing.KindVisible, format, args...)
	e.Detail = "visibleSignatureInfo.locationValue: the field \"" + name + "\" " + e.Detail
	return e
}

// locateField finds the empty signature field of a name, its page and its rectangle.
func locateField(ctx context.Context, doc *pdf.Document, f *form, name string) (spot, error) {
	var found *field
	signed := false // or another field of that name, which counts as the same field
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
		return spot{}, err
	case found == nil:
		return spot{}, noField(name, "is not in the document")
	case found.kind != "Sig":
		return spot{}, noField(name, "is not a signature field")
	case signed:
		return spot{}, noField(name, "is already signed")
	}
	return fieldSpot(ctx, doc, found, name)
}

// hasValue reports whether a field or a widget of it, where it does not belong but readers look,
// has a value.
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

func fieldSpot(ctx context.Context, doc *pdf.Document, found *field, name string) (spot, error) {
	kids, err := doc.ArrayAt(found.dict, "Kids")
	if err != nil {
		return spot{}, err
	}
	if len(kids) > 1 {
		return spot{}, noField(name, "has several widgets, which readers take for several signatures")
	}
	widget, dict, err := widgetOf(doc, *found)
	if err != nil {
		return spot{}, err
	}
	if found.ref.Number == 0 || widget.Number == 0 {
		return spot{}, noField(name, "is no object of its own, and cannot be signed without rewriting its form")
	}
	e := &emptyField{field: found.ref, widget: widget, name: name}
	rect, ok, err := doc.Rectangle(dict.Get("Rect"))
	if err != nil {
		return spot{}, err
	}
	if e.rect = rect; !ok {
		return spot{}, noField(name, "has no rectangle")
	}
	if e.lock, err = doc.DictAt(found.dict, "Lock"); err != nil {
		return spot{}, err
	}
	if e.seed, err = doc.DictAt(found.dict, "SV"); err != nil {
		return spot{}, err
	}
	page, err := pageOf(ctx, doc, widget)
	if err == nil && page == nil {
		err = noField(name, "is on no page")
	}
	return spot{page: page, field: e}, err
}

// pageOf returns the page that has a widget among its annotations, whatever the widget's /P says;
// nil if none has.
func pageOf(ctx context.Context, doc *pdf.Document, widget pdf.Ref) (found *pdf.Page, err error) {
	looked := 0
	err = doc.Pages(0, func(p *pdf.Page) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		annotations, err := doc.Annotations(p)
		if looked += len(annotations); looked > maxAnnotations {
			return false, signing.Errorf(
				signing.KindTooComplex,
				"PDF is too complex: its pages have more than %d annotations",
				maxAnnotations,
			)
		}
		if err == nil && slices.Contains(annotations, pdf.Object(widget)) {
			found = p
		}
		return found == nil, err
	})
	return found, err
}

// widgetOf returns a field's widget: the field itself, or the first of its kids (ISO 32000-2
// 12.5.6.19). The reference is zero where it is no object of its own.
func widgetOf(doc *pdf.Document, f field) (pdf.Ref, *pdf.Dict, error) {
	kids, err := doc.ArrayAt(f.dict, "Kids")
	if err != nil || len(kids) == 0 {
		return f.ref, f.dict, err
	}
	dict, err := doc.Dict(kids[0])
	ref, _ := kids[0].(pdf.Ref)
	return ref, dict, err
}

// fill signs the field: the signature becomes its value, the appearance its widget's. What need not
// change is left alone, since readers judge every change that follows an earlier signature.
func (e *emptyField) fill(u *pdf.Update, signature, form pdf.Ref) error {
	field, err := u.EditDict(e.field)
	if err != nil {
		return err
	}
	field.Set("V", signature)
	widget, err := u.EditDict(e.widget)
	if err != nil {
		return err
	}
	widget.Set("V", signature) // also where the two are not one: poppler and MuPDF look for it there
	widget.Set("AP", pdf.NewDict("N", form))
	widget.Delete("AS") // would choose among several appearances
	flags, err := u.Document().Int(widget.Get("F"), 0)
	if err != nil {
		return err
	}
	if flags&printFlag == 0 || flags&hidingFlags != 0 {
		widget.Set("F", pdf.Int(flags&^hidingFlags|widgetFlags))
	}
	return nil
}

// reference is the FieldMDP reference that the field's /Lock asks for (ISO 32000-2 12.7.5.5,
// 12.8.2.4); nil where there is none. The DocMDP part of /Lock, its /P, is left to readers: we
// certify nothing.
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
		"Type",
		pdf.Name("SigRef"),
		"TransformMethod",
		pdf.Name("FieldMDP"),
		"TransformParams",
		params,
		"Data",
		root,
	), nil
}
