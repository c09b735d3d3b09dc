package appearance

import (
	"math"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func page(rotate int, unit float64, crop pdf.Rectangle) *pdf.Page {
	return &pdf.Page{
		CropBox:  crop,
		MediaBox: pdf.Rectangle{X0: -1000, Y0: -1000, X1: 2000, Y1: 2000},
		Rotate:   rotate,
		UserUnit: unit,
	}
}

func TestPlace(t *testing.T) {
	a4 := pdf.Rectangle{X1: 595.303937007874, Y1: 841.889763779528}
	crop := pdf.Rectangle{X0: 50, Y0: 20, X1: 450, Y1: 620} // 400 x 600, off the origin
	area := signing.Area{Width: 100, Height: 40}
	tests := []struct {
		name   string
		page   *pdf.Page
		x, y   float64
		area   signing.Area
		rect   pdf.Rectangle
		matrix [6]float64
	}{
		{
			"as the original",
			page(0, 1, a4),
			100,
			500,
			signing.Area{Width: 300, Height: 200},
			pdf.Rectangle{X0: 100, Y0: 141.889763779528, X1: 400, Y1: 341.889763779528},
			[6]float64{1, 0, 0, 1, 0, 0},
		},
		{
			"crop box",
			page(0, 1, crop),
			10,
			30,
			area,
			pdf.Rectangle{X0: 60, Y0: 550, X1: 160, Y1: 590},
			[6]float64{1, 0, 0, 1, 0, 0},
		},
		// The reader's top edge is the page's left edge.
		{
			"90",
			page(90, 1, crop),
			10,
			30,
			area,
			pdf.Rectangle{X0: 80, Y0: 30, X1: 120, Y1: 130},
			[6]float64{0, 1, -1, 0, 40, 0},
		},
		{
			"180",
			page(180, 1, crop),
			10,
			30,
			area,
			pdf.Rectangle{X0: 340, Y0: 50, X1: 440, Y1: 90},
			[6]float64{-1, 0, 0, -1, 100, 40},
		},
		{
			"270",
			page(270, 1, crop),
			10,
			30,
			area,
			pdf.Rectangle{X0: 380, Y0: 510, X1: 420, Y1: 610},
			[6]float64{0, -1, 1, 0, 0, 100},
		},
		{
			"user unit",
			page(0, 2, crop),
			10,
			30,
			area,
			pdf.Rectangle{X0: 55, Y0: 585, X1: 105, Y1: 605},
			[6]float64{1, 0, 0, 1, 0, 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Place(tt.page, tt.x, tt.y, tt.area)
			if err != nil {
				t.Fatal(err)
			}
			if !near(got.Rect, tt.rect) || got.Matrix != tt.matrix {
				t.Errorf("Place = %+v, want %v %v", got, tt.rect, tt.matrix)
			}
			// The corner that the reader sees at the top left must be at the requested position.
			u0, v0 := Seen(tt.page, got.Rect.X0, got.Rect.Y0)
			u1, v1 := Seen(tt.page, got.Rect.X1, got.Rect.Y1)
			if u, v := min(u0, u1), min(v0, v1); math.Abs(u-tt.x) > 1e-9 || math.Abs(v-tt.y) > 1e-9 {
				t.Errorf("seen at %g, %g, want %g, %g", u, v, tt.x, tt.y)
			}
		})
	}
}

func near(a, b pdf.Rectangle) bool {
	return math.Abs(a.X0-b.X0)+math.Abs(a.Y0-b.Y0)+math.Abs(a.X1-b.X1)+math.Abs(a.Y1-b.Y1) < 1e-9
}

func TestPlaceOutsideThePage(t *testing.T) {
	p := page(90, 1, pdf.Rectangle{X0: 50, Y0: 20, X1: 450, Y1: 620}) // seen: 600 x 400
	for _, at := range [][2]float64{{600, 0}, {0, 400}, {5000, 5000}} {
		if _, err := Place(p, at[0], at[1], signing.Area{Width: 10, Height: 10}); signing.KindOf(err) != signing.KindVisible {
			t.Errorf("Place at %v = %v, want KindVisible", at, err)
		}
	}
	if _, err := Place(p, 595, 395, signing.Area{Width: 10, Height: 10}); err != nil {
		t.Errorf("Place partly on the page: %v", err)
	}
	_, err := Place(page(0, 1, pdf.Rectangle{}), 0, 0, signing.Area{Width: 10, Height: 10})
	if signing.KindOf(err) != signing.KindVisible {
		t.Errorf("Place on a page without size = %v, want KindVisible", err)
	}
}

func TestPlaceIn(t *testing.T) {
	rect := pdf.Rectangle{X0: 10, Y0: 20, X1: 110, Y1: 50}
	for rotate, want := range map[int]signing.Area{0: {Width: 200, Height: 60}, 90: {Width: 60, Height: 200},
		180: {Width: 200, Height: 60}, 270: {Width: 60, Height: 200}} {
		got, area, err := PlaceIn(page(rotate, 2, pdf.Rectangle{X1: 400, Y1: 600}), rect)
		if err != nil || area != want || got.Rect != rect {
			t.Errorf("rotated by %d: PlaceIn = %v %v %v, want %v in %v", rotate, got.Rect, area, err, want, rect)
		}
	}
	if _, _, err := PlaceIn(page(0, 1, rect), pdf.Rectangle{}); signing.KindOf(err) != signing.KindVisible {
		t.Errorf("PlaceIn an empty rectangle = %v, want KindVisible", err)
	}
}
