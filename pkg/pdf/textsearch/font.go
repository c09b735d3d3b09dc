package textsearch

import (
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// glyph is what one character code shows. The unit of lengths is the font size.
type glyph struct {
	text   string
	width  float64
	height float64 // displacement in vertical writing, negative
}

// font is what the search needs of a font: the text and the width of its codes.
type font struct {
	simple    *[256]glyph // nil for a composite font
	composite *composite
	vertical  bool
	originY   float64 // in vertical writing, above the baseline
	ascent    float32
	descent   float32
}

// next returns the first glyph of codes, which must not be empty, and the number of bytes that it
// takes.
func (f *font) next(codes string) (glyph, int) {
	if f.simple != nil {
		return f.simple[codes[0]], 1
	}
	return f.composite.next(codes)
}

// fonts reads the fonts of one document.
type fonts struct {
	d       *pdf.Document
	streams *streams
	read    map[pdf.Ref]*font // fonts that are objects of their own
	count   int               // fonts that load has read; at most maxFonts
}

// load reads a font. It returns nil if o is not a font. It reads a font that is an object of its
// own only once.
func (fs *fonts) load(o pdf.Object) (*font, error) {
	ref, isRef := o.(pdf.Ref)
	if f, ok := fs.read[ref]; ok && isRef {
		return f, nil
	}
	if fs.count++; fs.count > maxFonts {
		return nil, tooComplex("its pages use more than %d fonts", maxFonts)
	}
	f, err := fs.font(o)
	if err != nil && fatal(err) {
		return nil, err
	}
	if isRef {
		fs.read[ref] = f
	}
	return f, nil
}

func (fs *fonts) font(o pdf.Object) (*font, error) {
	dict, err := fs.d.Dict(o)
	if err != nil || dict == nil {
		return nil, err
	}
	toUnicode, err := fs.cmap(dict.Get("ToUnicode"))
	if err != nil {
		return nil, err
	}
	kind, err := fs.d.Name(dict.Get("Subtype"))
	if err != nil {
		return nil, err
	}
	if kind == "Type0" {
		return fs.composite(dict, toUnicode)
	}
	return fs.simple(dict, kind, toUnicode)
}

// cmap reads a CMap stream. It returns nil for anything else.
func (fs *fonts) cmap(o pdf.Object) (*cmap, error) {
	r, err := fs.streams.open(o)
	if err != nil && !fatal(err) {
		return nil, nil
	}
	if err != nil || r == nil {
		return nil, err
	}
	return parseCMap(metered{r, fs.streams.meter})
}

// simple reads a Type 1, TrueType or Type 3 font.
func (fs *fonts) simple(dict *pdf.Dict, kind pdf.Name, toUnicode *cmap) (*font, error) {
	f := &font{simple: new([256]glyph)}
	descriptor, err := fs.d.DictAt(dict, "FontDescriptor")
	if err != nil {
		return nil, err
	}
	scale := 0.001
	if kind == "Type3" {
		list, err := fs.d.ArrayAt(dict, "FontMatrix")
		if err != nil {
			return nil, err
		}
		if m, ok := matrixOf(list); ok {
			scale = m.a
		}
	}
	if err := fs.setHeights(f, descriptor); err != nil {
		return nil, err
	}
	names, err := fs.encoding(dict, kind, descriptor)
	if err != nil {
		return nil, err
	}
	for code := range f.simple {
		g := &f.simple[code]
		g.text = names[code]
		if toUnicode == nil {
			continue
		}
		if to, ok := toUnicode.lookup(uint32(code)); ok && to.text != "" {
			g.text = to.text
		}
	}
	return f, fs.setWidths(f, dict, descriptor, scale)
}

// setWidths reads the widths of a simple font (ISO 32000-2 9.6.2). A font without widths is one of
// the standard fourteen.
func (fs *fonts) setWidths(f *font, dict, descriptor *pdf.Dict, scale float64) error {
	widths, err := fs.d.ArrayAt(dict, "Widths")
	if err != nil {
		return err
	}
	if widths == nil {
		name, err := fs.d.Name(dict.Get("BaseFont"))
		if err != nil {
			return err
		}
		for code := range f.simple {
			f.simple[code].width = standardWidth(string(name), f.simple[code].text)
		}
		return nil
	}
	missing, err := fs.d.Get(descriptor.Get("MissingWidth"))
	if err != nil {
		return err
	}
	first, err := fs.d.Int(dict.Get("FirstChar"), 0)
	if err != nil {
		return err
	}
	for code := range f.simple {
		w := missing
		if i := int64(code) - first; i >= 0 && i < int64(len(widths)) {
			if w, err = fs.d.Get(widths[i]); err != nil {
				return err
			}
		}
		f.simple[code].width = number(w) * scale
	}
	return nil
}

// Heights of fonts that do not state them, and bounds on the heights that fonts state.
const (
	usualAscent, usualDescent = 0.9, -0.22
	mostAscent, mostDescent   = 1.1, -0.5
)

func (fs *fonts) setHeights(f *font, descriptor *pdf.Dict) error {
	f.ascent, f.descent = usualAscent, usualDescent
	ascent, err := fs.d.Get(descriptor.Get("Ascent"))
	if err != nil {
		return err
	}
	descent, err := fs.d.Get(descriptor.Get("Descent"))
	if err != nil {
		return err
	}
	if v := number(ascent) / 1000; v > 0 {
		f.ascent = float32(min(v, mostAscent))
	}
	if v := number(descent) / 1000; v != 0 {
		f.descent = float32(max(min(v, -v), mostDescent)) // some writers use a positive number
	}
	return nil
}

// maxType1Head bounds the clear text part of a Type 1 font program, which contains the encoding.
const maxType1Head = 64 << 10

// type1Head returns the clear text part of an embedded Type 1 font program; empty if there is none.
func (fs *fonts) type1Head(descriptor *pdf.Dict) (string, error) {
	r, err := fs.streams.open(descriptor.Get("FontFile"))
	if err != nil || r == nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxType1Head))
	if err != nil && fatal(err) {
		return "", err
	}
	return string(b), nil
}
