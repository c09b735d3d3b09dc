package appearance

import (
	"math"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Placement says where on a page an appearance goes.
type Placement struct {
	Rect   pdf.Rectangle // the annotation's /Rect
	Matrix [6]float64    // the form's /Matrix, which turns the content upright for the reader of the page
}

// PageSize returns the size of a page in points as its reader sees it: its crop box, rotated and
// multiplied by UserUnit.
func PageSize(p *pdf.Page) signing.Area {
	return seenSize(p, p.CropBox)
}

// seenSize returns the size of a rectangle on the page, in points as its reader sees it.
func seenSize(p *pdf.Page, r pdf.Rectangle) signing.Area {
	w, h := r.Width()*p.UserUnit, r.Height()*p.UserUnit
	if p.Rotate%180 != 0 {
		w, h = h, w
	}
	return signing.Area{Width: w, Height: h}
}

// user converts a position as the reader sees it, in points from the top left corner of the visible
// page, to user space.
func user(p *pdf.Page, u, v float64) (x, y float64) {
	b := p.CropBox
	u, v = u/p.UserUnit, v/p.UserUnit
	switch p.Rotate {
	case 90:
		return b.X0 + v, b.Y0 + u
	case 180:
		return b.X1 - u, b.Y0 + v
	case 270:
		return b.X1 - v, b.Y1 - u
	}
	return b.X0 + u, b.Y1 - v
}

// Seen converts a position in user space to points from the top left corner of the visible page, y
// downwards, as the reader sees it.
func Seen(p *pdf.Page, x, y float64) (u, v float64) {
	b := p.CropBox
	switch p.Rotate {
	case 90:
		u, v = y-b.Y0, x-b.X0
	case 180:
		u, v = b.X1-x, y-b.Y0
	case 270:
		u, v = b.Y1-y, b.X1-x
	default:
		u, v = x-b.X0, b.Y1-y
	}
	return u * p.UserUnit, v * p.UserUnit
}

// Place returns the placement of an area whose top left corner is at u, v, in points from the top
// left corner of the visible page as the reader sees it. It returns KindVisible if no part of the
// area would be visible.
func Place(p *pdf.Page, u, v float64, area signing.Area) (Placement, error) {
	if p.CropBox.Width() <= 0 || p.CropBox.Height() <= 0 {
		return Placement{}, signing.Errorf(signing.KindVisible, "the page has no usable MediaBox")
	}
	if size := PageSize(p); !(u < size.Width && v < size.Height && u+area.Width > 0 && v+area.Height > 0) {
		return Placement{}, outside(p, u, v, area, "")
	}
	x0, y0 := user(p, u, v)
	x1, y1 := user(p, u+area.Width, v+area.Height)
	rect := pdf.Rectangle{X0: min(x0, x1), Y0: min(y0, y1), X1: max(x0, x1), Y1: max(y0, y1)}
	return Placement{Rect: rect, Matrix: matrix(p, area)}, nil
}

// maxOverhang is how far a box may extend over the edge of its page, in points. It is not 0,
// because clients round the sizes of pages.
const maxOverhang = 0.01

// CheckWhole returns KindVisible if an area that Place has placed lies partly outside the page.
func CheckWhole(p *pdf.Page, u, v float64, area signing.Area) error {
	size := PageSize(p)
	if min(u, v) < -maxOverhang || u+area.Width > size.Width+maxOverhang || v+area.Height > size.Height+maxOverhang {
		return outside(p, u, v, area, "partly ")
	}
	return nil
}

func outside(p *pdf.Page, u, v float64, area signing.Area, how string) error {
	size := PageSize(p)
	return signing.Errorf(
		signing.KindVisible,
		"visibleSignatureInfo.locationValue: the box of %g x %g points at x=%g, y=%g lies %soutside the page: "+
			"page %d has %g x %g points",
		round2(area.Width), round2(area.Height), round2(u), round2(v), how, p.Number, round2(size.Width),
		round2(size.Height),
	)
}

// PlaceIn returns the placement of an appearance that fills rect, the rectangle of an existing
// field, and the size of rect as the reader sees it. It returns KindVisible if the rectangle is
// empty, as that of an invisible field is.
func PlaceIn(p *pdf.Page, rect pdf.Rectangle) (Placement, signing.Area, error) {
	if rect.Width() <= 0 || rect.Height() <= 0 {
		return Placement{}, signing.Area{}, signing.Errorf(signing.KindVisible,
			"the signature field has no area: its rectangle is empty")
	}
	area := seenSize(p, rect)
	return Placement{Rect: rect, Matrix: matrix(p, area)}, area, nil
}

// matrix rotates the form against the rotation of the page and moves it to the origin. Readers then
// fit it into /Rect (ISO 32000-2 12.5.5, algorithm "appearance streams"), which also applies
// UserUnit.
func matrix(p *pdf.Page, area signing.Area) [6]float64 {
	switch p.Rotate {
	case 90:
		return [6]float64{0, 1, -1, 0, area.Height, 0}
	case 180:
		return [6]float64{-1, 0, 0, -1, area.Width, area.Height}
	case 270:
		return [6]float64{0, -1, 1, 0, 0, area.Width}
	}
	return [6]float64{1, 0, 0, 1, 0, 0}
}

// round2 rounds a number for an error text.
func round2(f float64) float64 { return math.Round(f*100) / 100 }
