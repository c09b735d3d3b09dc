package font

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("a table is too short")

// need lists the tables that every font must have (ISO/IEC 14496-22, clause 4). Outlines are in
// glyf with loca, or in CFF.
var need = []string{"cmap", "head", "hhea", "hmtx", "maxp"}

// parse reads a font program, or the first font of a collection. It does not read the cmap.
func parse(b []byte) (*Face, error) {
	f := &Face{tables: make(map[string][]byte)}
	if err := f.directory(b); err != nil {
		return nil, err
	}
	for _, name := range need {
		if f.tables[name] == nil {
			return nil, fmt.Errorf("table %s is missing", name)
		}
	}
	for _, step := range []func() error{f.parseHeaders, f.parseOutlines} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Face) directory(b []byte) error {
	at := uint64(0)
	if len(b) >= 16 && string(b[:4]) == "ttcf" {
		at = uint64(u32(b[12:])) // the first font of a collection
	}
	if at+12 > uint64(len(b)) {
		return errors.New("not a TrueType or OpenType font")
	}
	if kind := u32(b[at:]); kind != 0x00010000 && kind != tagTrue && kind != tagOTTO {
		return errors.New("not a TrueType or OpenType font")
	}
	count := uint64(u16(b[at+4:]))
	if at+12+16*count > uint64(len(b)) {
		return errShort
	}
	for i := range count {
		entry := b[at+12+16*i:]
		offset, length := uint64(u32(entry[8:])), uint64(u32(entry[12:]))
		if offset+length > uint64(len(b)) {
			return errShort
		}
		f.tables[string(entry[:4])] = b[offset : offset+length]
	}
	return nil
}

func (f *Face) parseHeaders() error {
	head, hhea := f.tables["head"], f.tables["hhea"]
	if len(head) < 54 || len(hhea) < 36 || len(f.tables["maxp"]) < 6 {
		return errShort
	}
	f.count = int(u16(f.tables["maxp"][4:]))
	f.unitsPerEm = int(u16(head[18:]))
	if f.unitsPerEm == 0 {
		return errors.New("unitsPerEm is 0")
	}
	for i := range f.box {
		f.box[i] = i16(head[36+2*i:])
	}
	f.ascent, f.descent, f.lineGap = i16(hhea[4:]), -i16(hhea[6:]), i16(hhea[8:])
	f.capHeight = f.ascent
	if os2 := f.tables["OS/2"]; len(os2) >= 90 {
		f.capHeight = i16(os2[88:])
	}
	f.wide = int(u16(hhea[34:]))
	if f.wide == 0 || len(f.tables["hmtx"]) < 4*f.wide {
		return errShort
	}
	return nil
}

// parseOutlines finds the outlines, which are TrueType or CFF.
func (f *Face) parseOutlines() (err error) {
	switch {
	case f.tables["glyf"] != nil && f.tables["loca"] != nil:
		if len(f.tables["maxp"]) < 32 {
			return errShort
		}
		return f.parseLoca()
	case f.tables["CFF "] != nil:
		f.cff, err = parseCFF(f.tables["CFF "], f.count)
		return err
	case f.tables["CFF2"] != nil:
		return errors.New(
			"its outlines are in table CFF2, which is not supported: use the static or the TrueType form of the font",
		)
	}
	return errors.New("it has no outlines: neither glyf with loca nor CFF")
}

func (f *Face) parseLoca() error {
	count := f.count
	loca, glyf := f.tables["loca"], f.tables["glyf"]
	long := u16(f.tables["head"][50:]) == 1
	size := 2
	if long {
		size = 4
	}
	if len(loca) < size*(count+1) {
		return errShort
	}
	f.loca = make([]uint32, count+1)
	for i := range f.loca {
		if long {
			f.loca[i] = u32(loca[4*i:])
		} else {
			f.loca[i] = 2 * uint32(u16(loca[2*i:]))
		}
		if f.loca[i] > uint32(len(glyf)) || i > 0 && f.loca[i] < f.loca[i-1] {
			return errors.New("loca points outside glyf")
		}
	}
	return nil
}

// parseCmap reads the Unicode map of the basic plane: platform 3, encoding 1, format 4.
func (f *Face) parseCmap() error {
	cmap := f.tables["cmap"]
	if len(cmap) < 4 || len(cmap) < 4+8*int(u16(cmap[2:])) {
		return errShort
	}
	for i := range int(u16(cmap[2:])) {
		record := cmap[4+8*i:]
		offset := u32(record[4:])
		if u16(record) != 3 || u16(record[2:]) != 1 || uint64(offset)+14 > uint64(len(cmap)) {
			continue
		}
		if table := cmap[offset:]; u16(table) == 4 {
			return f.parseFormat4(table)
		}
	}
	return errors.New("no Unicode map in cmap")
}

func (f *Face) parseFormat4(t []byte) error {
	n := int(u16(t[6:])) / 2 // segments
	if len(t) < 16+8*n {
		return errShort
	}
	ends, starts, deltas, ranges := t[14:], t[16+2*n:], t[16+4*n:], t[16+6*n:]
	f.glyphs = make(map[rune]uint16)
	for i := range n {
		start, end := int(u16(starts[2*i:])), int(u16(ends[2*i:]))
		delta, offset := u16(deltas[2*i:]), int(u16(ranges[2*i:]))
		for c := start; c <= end && c < 0xffff; c++ {
			g := uint16(c) + delta
			if offset != 0 {
				at := 2*i + offset + 2*(c-start)
				if at+2 > len(ranges) {
					return errShort
				}
				if g = u16(ranges[at:]); g != 0 {
					g += delta
				}
			}
			if g != 0 && int(g) < len(f.loca)-1 {
				f.glyphs[rune(c)] = g
			}
		}
	}
	return nil
}

// metrics returns the advance width and the left side bearing of a glyph in font units.
func (f *Face) metrics(g uint16) (advance, bearing int) {
	hmtx := f.tables["hmtx"]
	if int(g) < f.wide {
		return int(u16(hmtx[4*int(g):])), i16(hmtx[4*int(g)+2:])
	}
	advance = int(u16(hmtx[4*(f.wide-1):]))
	if at := 4*f.wide + 2*(int(g)-f.wide); at+2 <= len(hmtx) {
		bearing = i16(hmtx[at:])
	}
	return advance, bearing
}

// outline returns the description of a glyph. It is empty for a blank.
func (f *Face) outline(g uint16) []byte {
	if int(g)+1 >= len(f.loca) {
		return nil
	}
	return f.tables["glyf"][f.loca[g]:f.loca[g+1]]
}

// First four bytes of fonts other than 00010000: TrueType as Apple writes it, and OpenType with
// table CFF.
const (
	tagTrue = 0x74727565
	tagOTTO = 0x4f54544f
)

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func i16(b []byte) int    { return int(int16(u16(b))) }
