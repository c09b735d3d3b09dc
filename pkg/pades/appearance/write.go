package appearance

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Write passes the objects of the appearance to add, which returns the reference of each. It
// returns the reference of the form XObject, which is the value of the annotation's /AP /N. matrix
// is Placement.Matrix.
func (a *Appearance) Write(add func(pdf.Object) pdf.Ref, matrix [6]float64) pdf.Ref {
	resources := pdf.NewDict()
	content := a.start()
	if a.picture != nil {
		resources.Set("XObject", pdf.NewDict("Im1", a.writePicture(add)))
		fmt.Fprintf(content, "q %d 0 0 %d %s %s cm /Im1 Do Q\n",
			a.picture.width, a.picture.height, pdf.Real(a.layout.image.x), pdf.Real(a.layout.image.y))
	}
	if len(a.layout.lines) > 0 {
		w := textWriter{b: content}
		w.write(a.setColor(a.color), a.layout)
		fonts := pdf.NewDict()
		for _, f := range w.fonts {
			fonts.Set(f.name, writeFont(add, f.face, f.subset))
		}
		resources.Set("Font", fonts)
	}
	if a.pdfa {
		resources.Set("ColorSpace", pdf.NewDict("Cs1", calibrated(false)))
	}
	form := pdf.NewDict("Type", pdf.Name("XObject"), "Subtype", pdf.Name("Form"), "FormType", pdf.Int(1), "BBox",
		numbers(0, 0, a.layout.area.w, a.layout.area.h), "Matrix", numbers(matrix[:]...), "Resources", resources)
	return add(deflated(form, content.Bytes()))
}

// start returns content that starts with the background.
func (a *Appearance) start() *bytes.Buffer {
	var b bytes.Buffer
	if a.background != nil {
		fmt.Fprintf(&b, "%s0 0 %s %s re f\n", a.setColor(*a.background), pdf.Real(a.layout.area.w), pdf.Real(a.layout.area.h))
	}
	return &b
}

// setColor returns the operator that sets the fill colour to c.
func (a *Appearance) setColor(c signing.Color) string {
	part := func(v uint8) pdf.Number { return pdf.Real(float64(v) / 255) }
	if a.pdfa {
		return fmt.Sprintf("/Cs1 cs %s %s %s sc ", part(c.R), part(c.G), part(c.B))
	}
	return fmt.Sprintf("%s %s %s rg ", part(c.R), part(c.G), part(c.B))
}

// calibrated returns the colour space for PDF/A documents: CalRGB or CalGray (ISO 32000-2 8.6.5)
// with the white point and the primaries of sRGB (IEC 61966-2-1), and with gamma 2.2 in place of
// its transfer curve.
func calibrated(gray bool) pdf.Array {
	white := numbers(0.9505, 1, 1.089)
	if gray {
		return pdf.Array{pdf.Name("CalGray"), pdf.NewDict("WhitePoint", white, "Gamma", pdf.Real(2.2))}
	}
	return pdf.Array{pdf.Name("CalRGB"), pdf.NewDict("WhitePoint", white, "Gamma", numbers(2.2, 2.2, 2.2), "Matrix",
		numbers(0.4124, 0.2126, 0.0193, 0.3576, 0.7152, 0.1192, 0.1805, 0.0722, 0.9505))}
}

func (a *Appearance) colorSpace(gray bool) pdf.Object {
	switch {
	case a.pdfa:
		return calibrated(gray)
	case gray:
		return pdf.Name("DeviceGray")
	}
	return pdf.Name("DeviceRGB")
}

func (a *Appearance) writePicture(add func(pdf.Object) pdf.Ref) pdf.Ref {
	p := a.picture
	dict := imageDict(p, a.colorSpace(p.gray), p.gray)
	if p.alpha != nil {
		mask := imageDict(p, pdf.Name("DeviceGray"), true) // Table 143 allows no other space
		dict.Set("SMask", add(pdf.NewStream(mask, p.alpha)))
	}
	return add(pdf.NewStream(dict, p.data))
}

func imageDict(p *picture, space pdf.Object, gray bool) *pdf.Dict {
	d := pdf.NewDict("Type", pdf.Name("XObject"), "Subtype", pdf.Name("Image"), "Width", pdf.Int(int64(p.width)), "Height",
		pdf.Int(int64(p.height)), "ColorSpace", space, "BitsPerComponent", pdf.Int(8), "Filter", pdf.Name(p.filter))
	if p.filter == "FlateDecode" {
		colors := int64(3)
		if gray {
			colors = 1
		}
		d.Set("DecodeParms",
			pdf.NewDict("Predictor", pdf.Int(15), "Colors", pdf.Int(colors), "Columns", pdf.Int(int64(p.width))))
	}
	return d
}

// deflaters reuses compressors, which take almost a megabyte each.
var deflaters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}

// deflated returns a stream with its data compressed.
func deflated(dict *pdf.Dict, data []byte) *pdf.Stream {
	var b bytes.Buffer
	w := deflaters.Get().(*zlib.Writer)
	w.Reset(&b)
	_, _ = w.Write(data) // a Buffer never fails
	_ = w.Close()
	deflaters.Put(w)
	dict.Set("Filter", pdf.Name("FlateDecode"))
	return pdf.NewStream(dict, b.Bytes())
}

func numbers(values ...float64) pdf.Array {
	a := make(pdf.Array, len(values))
	for i, v := range values {
		a[i] = pdf.Real(v)
	}
	return a
}
