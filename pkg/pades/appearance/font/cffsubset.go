package font

import (
	"encoding/binary"
)

// program returns the glyphs of a subset as a CID-keyed font program whose CIDs are the glyph
// numbers: CIDFontType0C (ISO 32000-2 9.9.1). Damaged outlines become empty; Drawable refuses them
// before.
func (f *cffFont) program(name string, glyphs []uint16) []byte {
	var outlines, parts [][]byte
	number := make(map[int]int) // new numbers of the parts in use
	var used []int
	fdSelect := []byte{0} // format 0
	for _, g := range glyphs {
		outline, err := f.charstring(int(g))
		if err != nil {
			outline = []byte{14} // endchar
		}
		outlines = append(outlines, outline)
		of := f.fontOf(int(g))
		if _, ok := number[of]; !ok {
			number[of] = len(used)
			used = append(used, of)
		}
		fdSelect = append(fdSelect, byte(number[of]))
	}
	for _, i := range used {
		parts = append(parts, f.fonts[i].private.without(opSubrs))
	}
	w := cffWriter{
		font:        f,
		name:        name,
		count:       len(glyphs),
		charStrings: writeIndex(outlines...),
		fdSelect:    fdSelect,
		used:        used,
		privates:    parts,
	}
	return w.write()
}

// cffWriter writes the parts of a font program one after the other.
type cffWriter struct {
	font                  *cffFont
	name                  string
	count                 int
	charStrings, fdSelect []byte
	used                  []int    // numbers of the parts
	privates              [][]byte // Private DICTs of these parts
}

// Numbers of the first strings after the standard strings (Technical Note 5176, appendix A).
const (
	sidAdobe = 391 + iota
	sidIdentity
	sidName
)

func (w *cffWriter) write() []byte {
	// All offsets take five bytes, so that the lengths of the parts are known before the offsets are.
	head := []byte{1, 0, 4, 4}
	head = append(head, writeIndex([]byte(w.name))...)
	topSize := len(writeIndex(w.top(0, 0, 0, 0)))
	strings := writeIndex([]byte("Adobe"), []byte("Identity"), []byte(w.name))
	noSubrs := []byte{0, 0}
	charset := w.charset()

	charsetAt := len(head) + topSize + len(strings) + len(noSubrs)
	selectAt := charsetAt + len(charset)
	charStringsAt := selectAt + len(w.fdSelect)
	fontsAt := charStringsAt + len(w.charStrings)
	privatesAt := fontsAt + len(w.fontDicts(0))

	out := append(head, writeIndex(w.top(charsetAt, selectAt, charStringsAt, fontsAt))...)
	parts := [][]byte{strings, noSubrs, charset, w.fdSelect, w.charStrings, w.fontDicts(privatesAt)}
	for _, part := range append(parts, w.privates...) {
		out = append(out, part...)
	}
	return out
}

// top returns the Top DICT.
func (w *cffWriter) top(charset, fdSelect, charStrings, fonts int) []byte {
	out := entry(opROS, dictInt(sidAdobe), dictInt(sidIdentity), dictInt(0))
	for _, op := range []int{opFontMatrix, opFontBBox} {
		if raw := w.font.top.raw(op); raw != nil {
			out = append(out, entry(op, raw)...)
		}
	}
	out = append(out, entry(opCIDCount, dictInt(w.count))...)
	out = append(out, entry(opCharset, dictInt(charset))...)
	out = append(out, entry(opFDSelect, dictInt(fdSelect))...)
	out = append(out, entry(opCharStrings, dictInt(charStrings))...)
	return append(out, entry(opFDArray, dictInt(fonts))...)
}

// charset returns the charset that gives each glyph its own number as CID: format 2, one range,
// without .notdef.
func (w *cffWriter) charset() []byte {
	if w.count < 2 {
		return []byte{0}
	}
	return binary.BigEndian.AppendUint16([]byte{2, 0, 1}, uint16(w.count-2))
}

// fontDicts returns FDArray. The Private DICTs start at the offset privatesAt.
func (w *cffWriter) fontDicts(privatesAt int) []byte {
	var dicts [][]byte
	for i, part := range w.used {
		d := entry(opFontName, dictInt(sidName))
		if m := w.font.fonts[part].matrix; m != nil {
			d = append(d, entry(opFontMatrix, m)...)
		}
		d = append(d, entry(opPrivate, dictInt(len(w.privates[i])), dictInt(privatesAt))...)
		privatesAt += len(w.privates[i])
		dicts = append(dicts, d)
	}
	return writeIndex(dicts...)
}

// without returns the encoded DICT without the entries of one operator.
func (d dict) without(op int) []byte {
	var out []byte
	for _, e := range d {
		if e.op != op {
			out = append(out, entry(e.op, e.operands)...)
		}
	}
	return out
}

func entry(op int, operands ...[]byte) []byte {
	var out []byte
	for _, o := range operands {
		out = append(out, o...)
	}
	if op > 0xff {
		out = append(out, byte(op>>8))
	}
	return append(out, byte(op))
}

func dictInt(v int) []byte { return binary.BigEndian.AppendUint32([]byte{29}, uint32(int32(v))) }

// writeIndex writes an INDEX with offsets of four bytes.
func writeIndex(items ...[]byte) []byte {
	if len(items) == 0 {
		return []byte{0, 0}
	}
	out := append(binary.BigEndian.AppendUint16(nil, uint16(len(items))), 4)
	at := uint32(1)
	out = binary.BigEndian.AppendUint32(out, at)
	for _, item := range items {
		at += uint32(len(item))
		out = binary.BigEndian.AppendUint32(out, at)
	}
	for _, item := range items {
		out = append(out, item...)
	}
	return out
}
