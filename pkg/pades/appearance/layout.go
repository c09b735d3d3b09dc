package appearance

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	padding      = 5.0  // points around the text at the requested size; as the original product draws
	minFontSize  = 4.0  // points; smaller text cannot be read on paper
	sizeStep     = 0.5  // points, the least step to a smaller size
	sizeShare    = 0.05 // step for large sizes, as a share of the size; it bounds the number of tries
	breakingFrom = 0.6  // share of the requested size below which words are broken instead of set smaller
	tabBlanks    = 4
	rounding     = 1e-6 // tolerance in comparisons of lengths
)

// size is a width and a height in points.
type size struct{ w, h float64 }

// layout says where everything stands. The origin is the lower left corner of the area.
type layout struct {
	area     size
	image    point // lower left corner
	fontSize float64
	leading  float64
	lines    []line
	text     point   // left end of the first baseline
	width    float64 // of the block of lines, thousandths of the font size
}

// point is a place in points.
type point struct{ x, y float64 }

// block is a text set in one size.
type block struct {
	fontSize float64
	padding  float64
	leading  float64
	lines    []line
	width    float64 // of the widest line, thousandths of the font size
	size             // with the padding
}

// place lays out text and image in an area. image is zero if there is none. It returns KindVisible
// if they do not fit.
func place(area size, image size, text *text, asked float64) (layout, error) {
	if image.w > area.w+rounding || image.h > area.h+rounding {
		return layout{}, signing.Errorf(signing.KindVisible,
			"the image of %g x %g pixels is larger than the signature's area of %g x %g points, and images are not scaled",
			image.w, image.h, round2(area.w), round2(area.h))
	}
	if text.empty() {
		return layout{area: area, image: point{(area.w - image.w) / 2, (area.h - image.h) / 2}}, nil
	}
	for _, breaking := range []bool{false, true} {
		for fontSize := asked; ; fontSize -= max(sizeStep, sizeShare*fontSize) {
			if fontSize < asked && (fontSize < minFontSize || !breaking && fontSize < breakingFrom*asked) {
				break
			}
			if l, ok := placeAt(area, image, text, fontSize, padding*fontSize/asked, breaking); ok {
				return l, nil
			}
		}
	}
	return layout{}, signing.Errorf(signing.KindVisible,
		"the text does not fit into the signature's area of %g x %g points, not even in %g point size",
		round2(area.w), round2(area.h), min(asked, minFontSize))
}

// placeAt tries one font size: first with the text beside the image, then under it.
func placeAt(area, image size, t *text, fontSize, padding float64, breaking bool) (layout, bool) {
	if b, ok := t.set(area.w-image.w, area.h, fontSize, padding, breaking); ok {
		left := (area.w - image.w - b.w) / 2
		l := layout{area: area, image: point{left, (area.h - image.h) / 2}}
		l.put(t, b, left+image.w, (area.h+b.h)/2)
		return l, true
	}
	if image.w == 0 {
		return layout{}, false
	}
	b, ok := t.set(area.w, area.h-image.h, fontSize, padding, breaking)
	if !ok {
		return layout{}, false
	}
	top := (area.h + image.h + b.h) / 2
	l := layout{area: area, image: point{(area.w - image.w) / 2, top - image.h}}
	l.put(t, b, (area.w-b.w)/2, top-image.h)
	return l, true
}

// put sets the text with the upper left corner of its padding at x, top.
func (l *layout) put(t *text, b block, x, top float64) {
	l.fontSize, l.leading, l.lines, l.width = b.fontSize, b.leading, b.lines, b.width
	l.text = point{x + b.padding, top - b.padding - (b.leading-t.height(b.fontSize))/2 - t.ascent*b.fontSize/1000}
}

// natural returns the size of image and text side by side without any limit.
func natural(image size, t *text, fontSize float64) size {
	out := image
	if t.empty() {
		return out
	}
	b, _ := t.set(1e9, 1e9, fontSize, padding, false)
	return size{out.w + b.w, max(out.h, b.h)}
}

// height returns the height of one line, without the gap between lines.
func (t *text) height(fontSize float64) float64 {
	return (t.ascent + t.descent) * fontSize / 1000
}

// set wraps the text into a width and a height, padding included. It returns false if the text does
// not fit.
func (t *text) set(w, h, fontSize, padding float64, breaking bool) (block, bool) {
	b := block{fontSize: fontSize, padding: padding, leading: t.leading * fontSize / 1000}
	limit := (w-2*padding)*1000/fontSize + rounding
	maxLines := (h-2*padding)/b.leading + rounding
	for _, p := range t.paragraphs {
		lines, ok := p.wrap(limit, breaking)
		b.lines = append(b.lines, lines...)
		if !ok || float64(len(b.lines)) > maxLines {
			return block{}, false
		}
	}
	for _, l := range b.lines {
		b.width = max(b.width, l.width)
	}
	b.size = size{b.width*fontSize/1000 + 2*padding, float64(len(b.lines))*b.leading + 2*padding}
	return b, true
}
