package pades

import (
	"context"
	"fmt"
	"math"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf/textsearch"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// visible is a visible signature whose layout and place are known.
type visible struct {
	page       pdf.Ref
	placement  appearance.Placement
	appearance *appearance.Appearance
	field      *emptyField // the existing field to sign; nil means a new one
}

// position is a place on a page. The size of the content is not known yet.
type position struct {
	page  *pdf.Page
	u, v  float64     // top left corner in points as the reader sees the page; unused with field
	field *emptyField // nil means a new field
}

// look is how the request wants the visible signature to look, and where to put it. A nil look
// means that the signature is invisible.
type look struct{ signing.VisibleValues }

// parseVisible parses the visibleSignatureInfo of a request. It returns nil if there is none.
// Errors are KindMissing and KindInvalid.
func parseVisible(sig signing.SignatureInfo) (*look, error) {
	if sig.Visible == nil {
		return nil, nil
	}
	values, err := sig.Visible.Parse()
	if err != nil {
		return nil, err
	}
	return &look{values}, nil
}

// existingField returns the name of the existing field to sign. It is empty for a new field.
func (l *look) existingField() string {
	if l == nil || l.Location != signing.AtSignField {
		return ""
	}
	return l.Name
}

// makeVisible locates and lays out the visible signature. It returns nil if the signature is
// invisible. Errors are KindVisible, those of pkg/pdf, and KindForbidden if an earlier signature
// locks the field or allows no new annotations.
func (format *Format) makeVisible(
	ctx context.Context, doc *pdf.Document, f *form, look *look, in signing.Input, c *signing.Credential,
) (*visible, error) {
	if look == nil {
		return nil, nil
	}
	if look.Location != signing.AtSignField {
		if err := f.checkAnnotations(); err != nil {
			return nil, err
		}
	}
	at, err := locate(ctx, doc, f, look)
	if err != nil {
		return nil, err
	}
	if at.field != nil {
		if err := at.field.checkSeed(doc, in.Signature, c.Hash); err != nil {
			return nil, err
		}
	}
	if _, err := doc.Annotations(at.page); at.field == nil && err != nil {
		return nil, err
	}
	pdfa, err := isPDFA(doc)
	if err != nil {
		return nil, err
	}
	content := appearance.Content{
		Values:      look.VisibleValues,
		Certificate: c.Certificate(),
		Reason:      in.Signature.Reason,
		Location:    in.Signature.Location,
		Time:        in.Time,
		Page:        appearance.PageSize(at.page),
		PDFA:        pdfa,
		Fonts:       format.Fonts,
	}
	out := &visible{page: at.page.Ref, field: at.field}
	if at.field != nil {
		var area signing.Area
		if out.placement, area, err = appearance.PlaceIn(at.page, at.field.rect); err != nil {
			return nil, err
		}
		content.Area = &area
	}
	if out.appearance, err = layOut(in, content); err != nil {
		return nil, err
	}
	if at.field == nil {
		area := out.appearance.Area()
		if out.placement, err = appearance.Place(at.page, at.u, at.v, area); err == nil && !format.AllowClipping {
			err = appearance.CheckWhole(at.page, at.u, at.v, area)
		}
	}
	return out, err
}

// layOut lays out the content. It opens the image, if there is one, and closes it again.
func layOut(in signing.Input, c appearance.Content) (*appearance.Appearance, error) {
	if in.Signature.Visible.Image != nil {
		if in.OpenImage == nil {
			return nil, internal("open image", fmt.Errorf("the input has no image"))
		}
		image, err := in.OpenImage()
		if err != nil {
			return nil, err
		}
		defer image.Close()
		c.Image = image
	}
	return appearance.Make(c)
}

func locate(ctx context.Context, doc *pdf.Document, f *form, v *look) (position, error) {
	switch v.Location {
	case signing.AtCoordinate:
		page, err := doc.Page(v.At.Page - 1)
		return position{page: page, u: v.At.X, v: v.At.Y}, err
	case signing.AtSignField:
		return locateField(ctx, doc, f, v.Name)
	}
	return locatePlaceholder(ctx, doc, v.Name)
}

// locatePlaceholder finds a word in the document. The lower left corner of the word, as the reader
// sees it, becomes the top left corner of the area.
func locatePlaceholder(ctx context.Context, doc *pdf.Document, word string) (position, error) {
	m, err := textsearch.Find(ctx, doc, word)
	if err != nil {
		return position{}, err
	}
	if m == nil {
		return position{}, signing.Errorf(signing.KindVisible,
			"visibleSignatureInfo.locationValue: the placeholder %q is not in the document", word)
	}
	at := position{page: m.Page, u: math.Inf(1), v: math.Inf(-1)}
	for _, c := range m.Corners {
		u, v := appearance.Seen(m.Page, c.X, c.Y)
		at.u, at.v = min(at.u, u), max(at.v, v)
	}
	return at, nil
}

// write adds the appearance to u. It returns the rectangle of the widget and the reference of the
// appearance.
func (v *visible) write(u *pdf.Update) (rect pdf.Array, form pdf.Ref) {
	return v.placement.Rect.Array(), v.appearance.Write(u.Add, v.placement.Matrix)
}
