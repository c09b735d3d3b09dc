package appearance

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/velocity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Content is what a visible signature shows, and under which rules.
type Content struct {
	Values      signing.VisibleValues
	Certificate *x509.Certificate
	Reason      string
	Location    string
	Time        time.Time    // claimed signing time, in the zone in which it prints
	Image       signing.File // nil = none; read whole, within its bounds, and not closed
	// Fonts is the operator's own fonts, tried where the one that the request names lacks a character.
	// Nil = none.
	Fonts *font.Library

	// Area is the place to fill. Nil: that of Values, or, if there is none, as large as the content
	// needs.
	Area *signing.Area
	// Page is the page's visible size: what an area is bounded by that the content decides.
	Page signing.Area
	// PDFA asks for the colours and the opaqueness that ISO 19005 wants.
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

// Make lays out c. Its errors are KindVisible: what is asked for cannot be shown as it is asked
// for; KindStorage: the image could not be read.
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

// paper is what a transparent image is flattened onto; nil = it stays transparent.
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

// area decides the size to fill.
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
		return size{}, signing.Errorf(
			signing.KindVisible, "the visible signature has neither an area nor content that would give it one",
		)
	}
	return need, nil
}

// Area is the size of the appearance.
func (a *Appearance) Area() signing.Area {
	return signing.Area{Width: a.layout.area.w, Height: a.layout.area.h}
}
