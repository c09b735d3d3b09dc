package font

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("a table is too short")

// need lists the tables that every font must have (ISO/IEC 14496-22, clause 4). Outlines are in
// glyf with loca, or in CFF.
var need = []string{"cmap", "head", "hhea", "hmtx", "maxp"}

// program holds the tables of a font file, and what is read from them once. Lengths are in font
// units.
type program struct {
	tables map[string][]byte
	count  int      // glyphs
	loca   []uint32 // offsets into glyf; one more than glyphs; nil with cff
	cff    *cffFont // nil = outlines in glyf
	wide   int      // number of long entries of hmtx

	unitsPerEm int
	ascent     int // above the baseline
	descent    int // below the baseline, positive
	capHeight  int
	lineGap    int
	box        [4]int // of all glyphs
}

// parse reads a font program, or the first font of a collection. It does not read the cmap.
func parse(b []byte) (*program, error) {
	p := &program{tables: make(map[string][]byte)}
	if err := p.directory(b); err != nil {
		return nil, err
	}
	for _, name := range need {
		if p.tables[name] == nil {
			return nil, fmt.Errorf("table %s is missing", name)
		}
	}
	for _, step := range []func() error{p.parseHeaders, p.parseOutlines} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *program) directory(b []byte) error {
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
		p.tables[string(entry[:4])] = b[offset : offset+length]
	}
	return nil
}

func (p *program) parseHeaders() error {
	head, hhea := p.tables["head"], p.tables["hhea"]
	if len(head) < 54 || len(hhea) < 36 || len(p.tables["maxp"]) < 6 {
		return errShort
	}
	p.count = int(u16(p.tables["maxp"][4:]))
	p.unitsPerEm = int(u16(head[18:]))
	if p.unitsPerEm == 0 {
		return errors.New("unitsPerEm is 0")
	}
	for i := range p.box {
		p.box[i] = i16(head[36+2*i:])
	}
	p.ascent, p.descent, p.lineGap = i16(hhea[4:]), -i16(hhea[6:]), i16(hhea[8:])
	p.capHeight = p.ascent
	if os2 := p.tables["OS/2"]; len(os2) >= 90 {
		p.capHeight = i16(os2[88:])
	}
	p.wide = int(u16(hhea[34:]))
	if p.wide == 0 || len(p.tables["hmtx"]) < 4*p.wide {
		return errShort
	}
	return nil
}

// parseOutlines finds the outlines, which are TrueType or CFF.
func (p *program) parseOutlines() (err error) {
	switch {
	case p.tables["glyf"] != nil && p.tables["loca"] != nil:
		if len(p.tables["maxp"]) < 32 {
			return errShort
		}
		return p.parseLoca()
	case p.tables["CFF "] != nil:
		p.cff, err = parseCFF(p.tables["CFF "], p.count)
		return err
	case p.tables["CFF2"] != nil:
		return errors.New(
			"its outlines are in table CFF2, which is not supported: use the static or the TrueType form of the font",
		)
	}
	return errors.New("it has no outlines: neither glyf with loca nor CFF")
}

func (p *program) parseLoca() error {
	count := p.count
	loca, glyf := p.tables["loca"], p.tables["glyf"]
	long := u16(p.tables["head"][50:]) == 1
	size := 2
	if long {
		size = 4
	}
	if len(loca) < size*(count+1) {
		return errShort
	}
	p.loca = make([]uint32, count+1)
	for i := range p.loca {
		if long {
			p.loca[i] = u32(loca[4*i:])
		} else {
			p.loca[i] = 2 * uint32(u16(loca[2*i:]))
		}
		if p.loca[i] > uint32(len(glyf)) || i > 0 && p.loca[i] < p.loca[i-1] {
			return errors.New("loca points outside glyf")
		}
	}
	return nil
}

// metrics returns the advance width and the left side bearing of a glyph in font units.
func (p *program) metrics(g uint16) (advance, bearing int) {
	hmtx := p.tables["hmtx"]
	if int(g) < p.wide {
		return int(u16(hmtx[4*int(g):])), i16(hmtx[4*int(g)+2:])
	}
	advance = int(u16(hmtx[4*(p.wide-1):]))
	if at := 4*p.wide + 2*(int(g)-p.wide); at+2 <= len(hmtx) {
		bearing = i16(hmtx[at:])
	}
	return advance, bearing
}

// outline returns the description of a glyph. It is empty for a blank.
func (p *program) outline(g uint16) []byte {
	if int(g)+1 >= len(p.loca) {
		return nil
	}
	return p.tables["glyf"][p.loca[g]:p.loca[g+1]]
}

// keep drops all other tables. It copies the kept ones, so that the memory of the file can be
// freed.
func (p *program) keep(names ...string) {
	kept := make(map[string][]byte)
	for _, name := range names {
		if t := p.tables[name]; t != nil {
			kept[name] = bytes.Clone(t)
		}
	}
	p.tables = kept
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
