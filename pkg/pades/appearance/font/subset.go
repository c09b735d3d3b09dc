package font

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sort"
	"unicode/utf16"
)

// Subset collects the glyphs that a text needs. CIDs are assigned in order of first use, from 1. 0
// is .notdef and is never shown. A Subset is not safe for concurrent use.
type Subset struct {
	face    *Face
	glyphs  []uint16        // of the face, by CID
	cids    map[uint16]int  // CID by the face's glyph
	unicode map[int]string  // text by CID; components of composite glyphs have none
	encoded map[rune]uint16 // CID by character
}

// NewSubset returns an empty subset of f.
func (f *Face) NewSubset() *Subset {
	return &Subset{
		face: f, glyphs: []uint16{0}, cids: map[uint16]int{0: 0},
		unicode: make(map[int]string), encoded: make(map[rune]uint16),
	}
}

// Encode returns text as two-byte character codes for Identity-H and adds its glyphs to the subset.
// The face must have every character, because PDF/A-2 forbids showing .notdef (ISO 19005-2
// 6.2.11.8).
func (s *Subset) Encode(text string) []byte {
	out := make([]byte, 0, 2*len(text))
	for _, r := range text {
		out = binary.BigEndian.AppendUint16(out, s.cid(r))
	}
	return out
}

func (s *Subset) cid(r rune) uint16 {
	if cid, ok := s.encoded[r]; ok {
		return cid
	}
	// If characters share a glyph, as blank and no-break blank do, a search finds the first one.
	cid, _ := s.Glyph(s.face.Glyph(r), string(r))
	s.encoded[r] = cid
	return cid
}

// Glyph adds a glyph to the subset and returns its code. A search finds it as text. If the glyph
// already stands for another text, same is false.
func (s *Subset) Glyph(g uint16, text string) (code uint16, same bool) {
	cid := s.add(g)
	if _, taken := s.unicode[cid]; !taken {
		s.unicode[cid] = text
	}
	return uint16(cid), s.unicode[cid] == text
}

func (s *Subset) add(g uint16) int {
	if cid, ok := s.cids[g]; ok {
		return cid
	}
	cid := len(s.glyphs)
	s.glyphs = append(s.glyphs, g)
	s.cids[g] = cid
	return cid
}

// Name returns the PostScript name with the tag of the subset (ISO 32000-2 9.9.2). The tag depends
// only on the glyphs.
func (s *Subset) Name() string {
	h := sha256.New()
	for _, g := range s.glyphs {
		h.Write([]byte{byte(g >> 8), byte(g)})
	}
	sum := h.Sum([]byte(nil))
	tag := make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + sum[i]%26
	}
	return string(tag) + "+" + s.face.name
}

// Compact reports whether Program returns a CFF program (CIDFontType0C), and not a TrueType
// program.
func (s *Subset) Compact() bool { return s.face.cff != nil }

// Program returns the font program: the tables that ISO 32000-2 9.9.1 requires, without hinting, or
// a CID-keyed CFF program. It adds the components of composite glyphs to the subset, so call it
// before Widths and CIDSet.
func (s *Subset) Program() []byte {
	if s.face.cff != nil {
		return s.face.cff.program(s.Name(), s.glyphs)
	}
	var outlines [][]byte
	for i := 0; i < len(s.glyphs); i++ { // s.add makes s.glyphs longer
		outlines = append(outlines, s.face.strip(s.glyphs[i], func(g uint16) uint16 { return uint16(s.add(g)) }))
	}
	glyf, loca := joinOutlines(outlines)
	return writeSFNT(map[string][]byte{
		"glyf": glyf, "loca": loca, "hmtx": s.hmtx(),
		"head": s.head(), "hhea": s.hhea(), "maxp": s.maxp(),
	})
}

// joinOutlines writes the tables glyf and loca of a TrueType font (ISO/IEC 14496-22, clause 5.3).
// glyf is all outlines, one after the other, each at a multiple of four bytes. loca is the offset
// of each outline as 32 bits (the long format), and at last the size of glyf.
func joinOutlines(outlines [][]byte) (glyf, loca []byte) {
	for _, o := range outlines {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, o...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
	}
	return glyf, binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
}

func (s *Subset) hmtx() []byte {
	var b []byte
	for _, g := range s.glyphs {
		advance, bearing := s.face.metrics(g)
		b = binary.BigEndian.AppendUint16(b, uint16(advance))
		b = binary.BigEndian.AppendUint16(b, uint16(int16(bearing)))
	}
	return b
}

func (s *Subset) head() []byte {
	b := bytes.Clone(s.face.tables["head"])
	clear(b[8:12])                                        // checkSumAdjustment: set by writeSFNT
	binary.BigEndian.PutUint16(b[16:], u16(b[16:])&^0x14) // no instructions that depend on size or alter widths
	binary.BigEndian.PutUint16(b[50:], 1)                 // long offsets
	return b
}

func (s *Subset) hhea() []byte {
	b := bytes.Clone(s.face.tables["hhea"])
	binary.BigEndian.PutUint16(b[34:], uint16(len(s.glyphs)))
	return b
}

func (s *Subset) maxp() []byte {
	b := bytes.Clone(s.face.tables["maxp"])
	binary.BigEndian.PutUint16(b[4:], uint16(len(s.glyphs)))
	binary.BigEndian.PutUint16(b[14:], 1) // maxZones: no twilight zone
	clear(b[16:28])                       // storage, function and instruction definitions, stack, instructions
	return b
}

// writeSFNT writes a font file of the tables, in the order of their names and with their checksums
// (ISO/IEC 14496-22, clause 4.5).
func writeSFNT(tables map[string][]byte) []byte {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	sort.Strings(names)
	power, log := 1, 0
	for power*2 <= len(names) {
		power, log = power*2, log+1
	}
	out := binary.BigEndian.AppendUint32(nil, 0x00010000)
	for _, v := range []int{len(names), power * 16, log, len(names)*16 - power*16} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	var body []byte
	headAt := 0
	base := 12 + 16*len(names)
	for _, name := range names {
		if name == "head" {
			headAt = base + len(body)
		}
		data := tables[name]
		out = append(out, name...)
		out = binary.BigEndian.AppendUint32(out, checksum(data))
		out = binary.BigEndian.AppendUint32(out, uint32(base+len(body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		body = append(body, data...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	out = append(out, body...)
	binary.BigEndian.PutUint32(out[headAt+8:], 0xb1b0afba-checksum(out))
	return out
}

func checksum(b []byte) uint32 {
	var sum uint32
	for len(b) >= 4 {
		sum += u32(b)
		b = b[4:]
	}
	var rest [4]byte
	copy(rest[:], b)
	return sum + u32(rest[:])
}

// Widths returns the advance of every CID in thousandths of the font size.
func (s *Subset) Widths() []int {
	widths := make([]int, len(s.glyphs))
	for i, g := range s.glyphs {
		widths[i] = s.face.width(g)
	}
	return widths
}

// CIDSet returns the bit map of the CIDs in the program, which contains all of them (ISO 19005-1
// 6.3.5; ISO 32000-2 Table 122).
func (s *Subset) CIDSet() []byte {
	n := len(s.glyphs)
	set := bytes.Repeat([]byte{0xff}, (n+7)/8)
	if n%8 != 0 {
		set[len(set)-1] = 0xff << (8 - n%8)
	}
	return set
}

// maxBfChars is how many mappings one bfchar section may have (Adobe Technical Note 5411).
const maxBfChars = 100

// ToUnicode returns the CMap from character codes to Unicode (ISO 32000-2 9.10.3).
func (s *Subset) ToUnicode() []byte {
	cids := make([]int, 0, len(s.unicode))
	for cid := range s.unicode {
		cids = append(cids, cid)
	}
	sort.Ints(cids)
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	for len(cids) > 0 {
		part := cids[:min(maxBfChars, len(cids))]
		cids = cids[len(part):]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(part))
		for _, cid := range part {
			fmt.Fprintf(&b, "<%04X> <%X>\n", cid, UTF16(s.unicode[cid]))
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}

// UTF16 returns s in UTF-16, big-endian.
func UTF16(s string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, unit)
	}
	return out
}

func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = u16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// Descriptor holds the values of a font descriptor (ISO 32000-2 Table 120). Lengths are thousandths
// of the font size.
type Descriptor struct {
	Flags                      int
	Box                        [4]int
	Ascent, Descent, CapHeight int // Descent is negative
	StemV                      int
}

// Descriptor returns the font descriptor of the face.
func (f *Face) Descriptor() Descriptor {
	const fixedPitch, serifed, symbolic, italic = 1 << 0, 1 << 1, 1 << 2, 1 << 6
	d := Descriptor{
		Flags:  symbolic, // the font has no standard character set, because the CIDs are the glyphs
		Ascent: f.scale(f.ascent), Descent: -f.scale(f.descent), CapHeight: f.scale(f.capHeight),
		StemV: 80, // the usual value of an upright regular face; the font does not state it
	}
	if f.mono {
		d.Flags |= fixedPitch
	}
	if f.serif {
		d.Flags |= serifed
	}
	if f.italic {
		d.Flags |= italic
	}
	for i, v := range f.box {
		d.Box[i] = f.scale(v)
	}
	return d
}
