package appearance

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/pades/appearance/font"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// writeFont adds a Type 0 font with the subset embedded (ISO 32000-2 9.7.6, ISO 19005-1 6.3) and
// returns its reference.
func writeFont(add func(pdf.Object) pdf.Ref, face *font.Face, subset *font.Subset) pdf.Ref {
	program := subset.Program()
	name := pdf.Name(subset.Name())
	d := face.Descriptor()
	box := pdf.Array{}
	for _, n := range d.Box {
		box = append(box, pdf.Int(int64(n)))
	}
	descriptor := pdf.NewDict(
		"Type", pdf.Name("FontDescriptor"), "FontName", name, "Flags", pdf.Int(int64(d.Flags)),
		"FontBBox", box,
		"ItalicAngle", pdf.Int(0), "Ascent", pdf.Int(int64(d.Ascent)), "Descent", pdf.Int(int64(d.Descent)),
		"CapHeight", pdf.Int(int64(d.CapHeight)), "StemV", pdf.Int(int64(d.StemV)),
	)
	kind := pdf.Name("CIDFontType2")
	if subset.Compact() {
		kind = "CIDFontType0"
		descriptor.Set("FontFile3", add(deflated(pdf.NewDict("Subtype", pdf.Name("CIDFontType0C")), program)))
	} else {
		descriptor.Set("FontFile2", add(deflated(pdf.NewDict("Length1", pdf.Int(int64(len(program)))), program)))
	}
	descriptor.Set("CIDSet", add(deflated(pdf.NewDict(), subset.CIDSet())))
	widths := pdf.Array{}
	for _, w := range subset.Widths() {
		widths = append(widths, pdf.Int(int64(w)))
	}
	cidFont := pdf.NewDict(
		"Type", pdf.Name("Font"), "Subtype", kind, "BaseFont", name,
		"CIDSystemInfo", pdf.NewDict("Registry", pdf.Text("Adobe"), "Ordering", pdf.Text("Identity"),
			"Supplement", pdf.Int(0)),
	)
	if !subset.Compact() {
		cidFont.Set("CIDToGIDMap", pdf.Name("Identity"))
	}
	cidFont.Set("W", pdf.Array{pdf.Int(0), widths})
	cidFont.Set("FontDescriptor", add(descriptor))
	return add(pdf.NewDict(
		"Type", pdf.Name("Font"), "Subtype", pdf.Name("Type0"), "BaseFont", name, "Encoding", pdf.Name("Identity-H"),
		"DescendantFonts", pdf.Array{add(cidFont)}, "ToUnicode", add(deflated(pdf.NewDict(), subset.ToUnicode())),
	))
}
