package font

import "errors"

// unicodeMap returns the glyph of each character of the basic plane, by the map for platform 3,
// encoding 1 in format 4.
func (p *program) unicodeMap() (map[rune]uint16, error) {
	cmap := p.tables["cmap"]
	if len(cmap) < 4 || len(cmap) < 4+8*int(u16(cmap[2:])) {
		return nil, errShort
	}
	for i := range int(u16(cmap[2:])) {
		record := cmap[4+8*i:]
		offset := u32(record[4:])
		if u16(record) != 3 || u16(record[2:]) != 1 || uint64(offset)+14 > uint64(len(cmap)) {
			continue
		}
		if table := cmap[offset:]; u16(table) == 4 {
			return parseFormat4(table, p.count)
		}
	}
	return nil, errors.New("no Unicode map in cmap")
}

// parseFormat4 reads a map of format 4. It leaves out glyphs that the font does not have.
func parseFormat4(t []byte, count int) (map[rune]uint16, error) {
	n := int(u16(t[6:])) / 2 // segments
	if len(t) < 16+8*n {
		return nil, errShort
	}
	ends, starts, deltas, ranges := t[14:], t[16+2*n:], t[16+4*n:], t[16+6*n:]
	glyphs := make(map[rune]uint16)
	for i := range n {
		start, end := int(u16(starts[2*i:])), int(u16(ends[2*i:]))
		delta, offset := u16(deltas[2*i:]), int(u16(ranges[2*i:]))
		for c := start; c <= end && c < 0xffff; c++ {
			g := uint16(c) + delta
			if offset != 0 {
				at := 2*i + offset + 2*(c-start)
				if at+2 > len(ranges) {
					return nil, errShort
				}
				if g = u16(ranges[at:]); g != 0 {
					g += delta
				}
			}
			if g != 0 && int(g) < count {
				glyphs[rune(c)] = g
			}
		}
	}
	return glyphs, nil
}
