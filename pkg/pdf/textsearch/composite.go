package textsearch

import (
	"sort"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// composite is the part of a Type 0 font that simple fonts do not have.
type composite struct {
	encoding     *cmap // nil: codes have two bytes and are the CIDs
	unicode      bool  // the codes of the predefined CMap are UCS-2 or UTF-16
	toUnicode    *cmap
	widths       []widthRange
	defaultWidth float64 // width of the CIDs that are not in widths
	height       float64 // displacement in vertical writing
}

// widthRange is a run of CIDs. Each has its own width, or all have the same. The unit is the font
// size.
type widthRange struct {
	first, last uint32
	each        []float64
	all         float64
}

func (c *composite) next(codes string) (glyph, int) {
	n := min(2, len(codes))
	if c.encoding != nil {
		n = c.encoding.length(codes)
	}
	code := codeOf(codes[:n])
	cid := code
	if c.encoding != nil {
		to, _ := c.encoding.lookup(code)
		cid = to.cid
	}
	g := glyph{width: c.width(cid), height: c.height}
	if c.toUnicode != nil {
		to, _ := c.toUnicode.lookup(code)
		g.text = to.text
	}
	if g.text == "" && c.unicode {
		g.text = utf16Text(codes[:n])
	}
	return g, n
}

func (c *composite) width(cid uint32) float64 {
	i := sort.Search(len(c.widths), func(i int) bool { return c.widths[i].first > cid })
	if i == 0 || c.widths[i-1].last < cid {
		return c.defaultWidth
	}
	r := c.widths[i-1]
	if r.each != nil {
		return r.each[cid-r.first]
	}
	return r.all
}

// composite reads a Type 0 font (ISO 32000-2 9.7.6).
func (fs *fonts) composite(dict *pdf.Dict, toUnicode *cmap) (*font, error) {
	c := &composite{toUnicode: toUnicode, defaultWidth: 1, height: -1}
	f := &font{composite: c, originY: 0.88}
	if err := fs.setEncoding(f, dict.Get("Encoding")); err != nil {
		return nil, err
	}
	descendants, err := fs.d.ArrayAt(dict, "DescendantFonts")
	if err != nil || len(descendants) == 0 {
		return f, err
	}
	cid, err := fs.d.Dict(descendants[0])
	if err != nil {
		return nil, err
	}
	descriptor, err := fs.d.DictAt(cid, "FontDescriptor")
	if err != nil {
		return nil, err
	}
	if err := fs.setHeights(f, descriptor); err != nil {
		return nil, err
	}
	if v, err := fs.d.Get(cid.Get("DW")); err != nil {
		return nil, err
	} else if _, ok := v.(pdf.Number); ok {
		c.defaultWidth = number(v) / 1000
	}
	if pair, err := fs.d.Array(cid.Get("DW2")); err != nil {
		return nil, err
	} else if len(pair) == 2 {
		f.originY, c.height = number(pair[0])/1000, number(pair[1])/1000
	}
	c.widths, err = fs.cidWidths(cid.Get("W"))
	return f, err
}

// setEncoding reads /Encoding: a CMap, or the name of a predefined one. Of the predefined CMaps it
// knows those whose codes are CIDs or Unicode.
func (fs *fonts) setEncoding(f *font, o pdf.Object) error {
	v, err := fs.d.Get(o)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case pdf.Name:
		name := string(v)
		f.vertical = strings.HasSuffix(name, "-V")
		f.composite.unicode = strings.Contains(name, "-UCS2-") || strings.Contains(name, "-UTF16-")
	case *pdf.Stream:
		m, err := fs.cmap(v)
		if err != nil || m == nil {
			return err
		}
		mode, err := fs.d.Int(v.Dict.Get("WMode"), 0)
		if err != nil {
			return err
		}
		f.composite.encoding = m
		f.vertical = m.vertical || mode == 1
	}
	return nil
}

// cidWidths reads /W (ISO 32000-2 9.7.4.3): "first [w1 w2 …]" and "first last w".
func (fs *fonts) cidWidths(o pdf.Object) ([]widthRange, error) {
	list, err := fs.d.Array(o)
	if err != nil {
		return nil, err
	}
	var out []widthRange
	for i, count := 0, 0; i+1 < len(list) && count < maxMappings; {
		first := uint32(max(0, min(number(list[i]), 0xffff)))
		v, err := fs.d.Get(list[i+1])
		if err != nil {
			return nil, err
		}
		each, ok := v.(pdf.Array)
		if !ok {
			if i+2 >= len(list) {
				break
			}
			last := uint32(max(0, min(number(v), 0xffff)))
			out = append(out, widthRange{first: first, last: last, all: number(list[i+2]) / 1000})
			i, count = i+3, count+1
			continue
		}
		r := widthRange{first: first, last: first + uint32(len(each)) - 1, each: make([]float64, len(each))}
		for j, w := range each {
			r.each[j] = number(w) / 1000
		}
		if len(each) > 0 {
			out = append(out, r)
		}
		i, count = i+2, count+len(each)+1
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].first < out[j].first })
	return out, nil
}
