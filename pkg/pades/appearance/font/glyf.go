package font

import (
	"encoding/binary"
	"slices"
)

// Flags of a component (ISO/IEC 14496-22, table glyf).
const (
	argsAreWords     = 0x0001
	haveScale        = 0x0008
	moreComponents   = 0x0020
	haveXYScale      = 0x0040
	haveTwoByTwo     = 0x0080
	haveInstructions = 0x0100
)

// maxComponents bounds the parts of one composite glyph.
const maxComponents = 64

// stripSimple returns a simple glyph without its instructions. A malformed glyph is returned
// unchanged.
func stripSimple(g []byte) []byte {
	at := 10 + 2*i16(g) // after the end points of the contours
	if at+2 > len(g) {
		return g
	}
	length := int(u16(g[at:]))
	if at+2+length > len(g) {
		return g
	}
	out := slices.Clone(g[:at])
	out = append(out, 0, 0)
	return append(out, g[at+2+length:]...)
}

// stripComposite returns a composite glyph without its instructions. number returns the new number
// of a component.
func stripComposite(g []byte, number func(uint16) uint16) []byte {
	out := slices.Clone(g[:10])
	for at, n := 10, 0; n < maxComponents && at+4 <= len(g); n++ {
		flags := u16(g[at:])
		size := componentSize(flags)
		if at+size > len(g) {
			break
		}
		part := slices.Clone(g[at : at+size])
		binary.BigEndian.PutUint16(part, flags&^haveInstructions)
		binary.BigEndian.PutUint16(part[2:], number(u16(g[at+2:])))
		out = append(out, part...)
		if flags&moreComponents == 0 {
			break
		}
		at += size
	}
	return out
}

func componentSize(flags uint16) int {
	size := 6
	if flags&argsAreWords != 0 {
		size += 2
	}
	switch {
	case flags&haveScale != 0:
		size += 2
	case flags&haveXYScale != 0:
		size += 4
	case flags&haveTwoByTwo != 0:
		size += 8
	}
	return size
}

// strip returns the outline of a glyph for the subset. number returns the new number of a
// component.
func (p *program) strip(g uint16, number func(uint16) uint16) []byte {
	outline := p.outline(g)
	switch {
	case len(outline) < 10:
		return nil
	case i16(outline) >= 0:
		return stripSimple(outline)
	}
	return stripComposite(outline, number)
}
