package appearance

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Content says what a visible signature shows, and by which rules it is drawn.
type Content struct {
	Values      signing.VisibleValues
	Certificate *x509.Certificate
	Reason      string
	Location    string
	Time        time.Time    // claimed signing time, in the zone in which it prints
	Image       signing.File // nil for no image; it is read completely, up to a bound, and not closed
	// Fonts are the operator's own fonts. They are tried if the font that the request names lacks a
	// character. Nil means that there are none.
	Fonts *font.Library

	// Area is the size to fill. If it is nil, Values.Area is used. If that is nil too, the area is as
	// large as the content needs.
	Area *signing.Area
	// Page is the visible size of the page. It bounds an area whose size depends on the content.
	Page signing.Area
	// PDFA uses only the colours that ISO 19005 allows, and no transparency.
	PDFA bool
}

// Appearance is a laid-out visible signature. It is immutable.
type Appearance struct {
	layout     layout
	background *signing.Color
	color      signing.Color
	picture    *picture
	pdfa       bool
}

// Make lays out c. It returns KindVisible if the content cannot be shown as requested, and
// KindStorage if the image could not be read.
func Make(c Content) (*Appearance, error) {
	a := &Appearance{background: c.Values.Background, color: c.Values.Font.Color, pdfa: c.PDFA}
	var err error
	if c.Image != nil {
		if a.picture, err = readImage(c.Image, c.Values.ImageType, c.paper()); err != nil {
			return nil, err
		}
	}
	text, err := c.text()
	if err != nil {
		return nil, err
	}
	area, err := c.area(a.picture.size(), text)
	if err != nil {
		return nil, err
	}
	a.layout, err = place(area, a.picture.size(), text, c.Values.Font.Size)
	return a, err
}

// paper returns the colour onto which a transparent image is flattened. Nil means that it stays
// transparent.
func (c *Content) paper() *signing.Color {
	if c.Values.Background == nil && c.PDFA {
		return &signing.Color{R: 0xff, G: 0xff, B: 0xff}
	}
	return c.Values.Background
}

func (c *Content) text() (*text, error) {
	s, err := velocity.Render(c.Values.Template, velocity.Data{
		Certificate: c.Certificate, Reason: c.Reason, Location: c.Location, Time: c.Time,
	})
	if errors.Is(err, velocity.ErrTooLong) {
		return nil, signing.Errorf(signing.KindVisible, "visibleSignatureInfo.oneOffTemplate: %v", err)
	}
	if err != nil {
		return nil, err
	}
	fonts, err := newFontSet(c.Fonts, c.Values.Font.Name)
	if err != nil {
		return nil, err
	}
	return newText(fonts, s, c.Values.Template)
}

// area returns the size to fill.
func (c *Content) area(image size, t *text) (size, error) {
	given := c.Area
	if given == nil {
		given = c.Values.Area
	}
	if given != nil {
		return size{given.Width, given.Height}, nil
	}
	need := natural(image, t, c.Values.Font.Size)
	if image.w > c.Page.Width || image.h > c.Page.Height {
		return size{}, signing.Errorf(signing.KindVisible,
			"the image of %g x %g pixels is larger than the page of %g x %g points, and images are not scaled",
			image.w, image.h, round2(c.Page.Width), round2(c.Page.Height))
	}
	need = size{min(need.w, c.Page.Width), min(need.h, c.Page.Height)}
	if need.w <= 0 || need.h <= 0 {
		return size{}, signing.Errorf(signing.KindVisible,
			"the visible signature has no area and no content that gives it a size")
	}
	return need, nil
}

// Area returns the size of the appearance.
func (a *Appearance) Area() signing.Area {
	return signing.Area{Width: a.layout.area.w, Height: a.layout.area.h}
}
