package font

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// errCFF is returned for a table CFF that is malformed or whose offsets point outside of it.
var errCFF = errors.New("table CFF is damaged")

// Operators of a DICT that the subset needs (Adobe Technical Note 5176, tables 9 to 23). Two-byte
// operators begin with 12.
const (
	opFontBBox       = 5
	opPrivate        = 18
	opSubrs          = 19
	opCharStrings    = 17
	opCharset        = 15
	opCharstringType = 12<<8 | 6
	opFontMatrix     = 12<<8 | 7
	opROS            = 12<<8 | 30
	opCIDCount       = 12<<8 | 34
	opFDArray        = 12<<8 | 36
	opFDSelect       = 12<<8 | 37
	opFontName       = 12<<8 | 38
)

// cffFont is the table CFF of an OpenType font: outlines as Type 2 charstrings.
type cffFont struct {
	top         dict
	globalSubrs index
	charStrings index
	fonts       []cffPart // one for a font that is not CID-keyed
	fontOf      func(glyph int) int
}

// cffPart is the data that several glyphs share: an entry of FDArray, or the font itself.
type cffPart struct {
	matrix  []byte // operands of its own FontMatrix; nil if missing
	private dict
	subrs   index
}

// parseCFF reads the table CFF of a font. glyphs is the number of glyphs after table maxp.
func parseCFF(b []byte, glyphs int) (*cffFont, error) {
	if len(b) < 4 || b[0] != 1 || int(b[2]) > len(b) {
		return nil, errCFF
	}
	_, rest, err := readIndex(b[b[2]:])
	if err != nil {
		return nil, err
	}
	tops, rest, err := readIndex(rest)
	if err != nil {
		return nil, err
	}
	if tops.count != 1 {
		return nil, errors.New("table CFF holds several fonts")
	}
	_, rest, err = readIndex(rest) // strings
	if err != nil {
		return nil, err
	}
	f := &cffFont{fontOf: func(int) int { return 0 }}
	if f.globalSubrs, _, err = readIndex(rest); err != nil {
		return nil, err
	}
	if f.top, err = parseDict(tops.get(0)); err != nil {
		return nil, err
	}
	if kind, ok := f.top.number(opCharstringType, 0); ok && kind != 2 {
		return nil, errors.New("table CFF has charstrings that are not of type 2")
	}
	if f.charStrings, err = f.top.index(b, opCharStrings); err != nil {
		return nil, err
	}
	if f.charStrings.count < glyphs {
		return nil, fmt.Errorf("table CFF has %d glyphs, but maxp says %d", f.charStrings.count, glyphs)
	}
	return f, f.parseParts(b)
}

// parseParts reads FDArray and FDSelect, or the Private DICT of a font without them.
func (f *cffFont) parseParts(b []byte) error {
	if !f.top.has(opROS) {
		part, err := parsePart(b, f.top)
		part.matrix = nil // it stays in the Top DICT
		f.fonts = []cffPart{part}
		return err
	}
	fonts, err := f.top.index(b, opFDArray)
	if err != nil {
		return err
	}
	for i := range fonts.count {
		d, err := parseDict(fonts.get(i))
		if err != nil {
			return err
		}
		part, err := parsePart(b, d)
		if err != nil {
			return err
		}
		f.fonts = append(f.fonts, part)
	}
	at, ok := f.top.number(opFDSelect, 0)
	if !ok || at < 0 || at >= len(b) || len(f.fonts) == 0 {
		return errCFF
	}
	f.fontOf, err = parseFDSelect(b[at:], f.charStrings.count, len(f.fonts))
	return err
}

func parsePart(b []byte, d dict) (cffPart, error) {
	part := cffPart{matrix: d.raw(opFontMatrix)}
	size, ok := d.number(opPrivate, 0)
	at, ok2 := d.number(opPrivate, 1)
	if !ok || !ok2 || size < 0 || at < 0 || size > len(b) || at > len(b)-size {
		return part, errCFF
	}
	var err error
	if part.private, err = parseDict(b[at : at+size]); err != nil {
		return part, err
	}
	if offset, ok := part.private.number(opSubrs, 0); ok {
		if offset < 0 || offset > len(b)-at {
			return part, errCFF
		}
		part.subrs, _, err = readIndex(b[at+offset:])
	}
	return part, err
}

// parseFDSelect reads FDSelect in format 0 or 3. It returns a function that gives the part of each
// glyph.
func parseFDSelect(b []byte, glyphs, fonts int) (func(int) int, error) {
	of := make([]uint8, glyphs)
	switch {
	case b[0] == 0 && len(b) > glyphs:
		copy(of, b[1:])
	case b[0] == 3 && len(b) >= 5:
		ranges := int(u16(b[1:]))
		if len(b) < 5+3*ranges {
			return nil, errCFF
		}
		for i := range ranges {
			first, next := int(u16(b[3+3*i:])), int(u16(b[6+3*i:]))
			if first > next || next > glyphs {
				return nil, errCFF
			}
			for g := first; g < next; g++ {
				of[g] = b[5+3*i]
			}
		}
	default:
		return nil, errCFF
	}
	if int(slices.Max(append(of, 0))) >= fonts {
		return nil, errCFF
	}
	return func(g int) int { return int(of[g]) }, nil
}

// index is an INDEX: a list of items of any length (Technical Note 5176, section 5).
type index struct {
	count   int
	size    int    // bytes of an offset
	offsets []byte // count + 1 of them
	data    []byte // offset 1 means its first byte
}

// readIndex reads the INDEX at the start of b and returns the bytes after it.
func readIndex(b []byte) (index, []byte, error) {
	if len(b) < 2 {
		return index{}, nil, errCFF
	}
	x := index{count: int(u16(b))}
	if x.count == 0 {
		return x, b[2:], nil
	}
	if len(b) < 3 || b[2] < 1 || b[2] > 4 {
		return index{}, nil, errCFF
	}
	x.size = int(b[2])
	end := 3 + (x.count+1)*x.size
	if len(b) < end {
		return index{}, nil, errCFF
	}
	x.offsets, x.data = b[3:end], b[end:]
	for i, before := 0, 1; i <= x.count; i++ {
		o := x.offset(i)
		if o < before || o > len(x.data)+1 || i == 0 && o != 1 {
			return index{}, nil, errCFF
		}
		before = o
	}
	length := x.offset(x.count) - 1
	rest := x.data[length:]
	x.data = x.data[:length]
	return x, rest, nil
}

func (x *index) offset(i int) int {
	n := 0
	for _, b := range x.offsets[i*x.size : (i+1)*x.size] {
		n = n<<8 | int(b)
	}
	return n
}

func (x *index) get(i int) []byte { return x.data[x.offset(i)-1 : x.offset(i+1)-1] }

// dict is a DICT: its entries in their original order.
type dict []dictEntry

type dictEntry struct {
	op       int
	operands []byte // encoded, unchanged
	numbers  []float64
}

// parseDict reads a DICT (Technical Note 5176, section 4).
func parseDict(b []byte) (dict, error) {
	var d dict
	var numbers []float64
	start := 0
	for at := 0; at < len(b); {
		if b[at] <= 21 {
			op, size := int(b[at]), 1
			if op == 12 {
				if at+1 >= len(b) {
					return nil, errCFF
				}
				op, size = 12<<8|int(b[at+1]), 2
			}
			d = append(d, dictEntry{op: op, operands: b[start:at], numbers: numbers})
			at += size
			start, numbers = at, nil
			continue
		}
		v, n := dictNumber(b[at:])
		if n == 0 {
			return nil, errCFF
		}
		numbers = append(numbers, v)
		at += n
	}
	return d, nil
}

// dictNumber reads an operand and returns its length, or 0 if it is malformed.
func dictNumber(b []byte) (v float64, n int) {
	switch c := b[0]; {
	case c >= 32 && c <= 246:
		return float64(c) - 139, 1
	case c >= 247 && c <= 250 && len(b) >= 2:
		return (float64(c)-247)*256 + float64(b[1]) + 108, 2
	case c >= 251 && c <= 254 && len(b) >= 2:
		return -(float64(c)-251)*256 - float64(b[1]) - 108, 2
	case c == 28 && len(b) >= 3:
		return float64(i16(b[1:])), 3
	case c == 29 && len(b) >= 5:
		return float64(int32(u32(b[1:]))), 5
	case c == 30:
		return realNumber(b)
	}
	return 0, 0
}

// realNumber reads a number that is written as decimal digits, two per byte.
func realNumber(b []byte) (float64, int) {
	var s []byte
	for i, c := range b[1:] {
		for _, nibble := range []byte{c >> 4, c & 15} {
			switch {
			case nibble < 10:
				s = append(s, '0'+nibble)
			case nibble == 15:
				v, err := strconv.ParseFloat(string(s), 64)
				if err != nil {
					return 0, 0
				}
				return v, i + 2
			default:
				s = append(s, []string{".", "E", "E-", "", "-"}[nibble-10]...)
			}
		}
	}
	return 0, 0
}

func (d dict) find(op int) *dictEntry {
	for i := range d {
		if d[i].op == op {
			return &d[i]
		}
	}
	return nil
}

func (d dict) has(op int) bool { return d.find(op) != nil }

// raw returns the encoded operands of an entry, or nil if there is no such entry.
func (d dict) raw(op int) []byte {
	if e := d.find(op); e != nil {
		return e.operands
	}
	return nil
}

// number returns operand i of an entry. It returns false if the operand is missing or not a whole
// number.
func (d dict) number(op, i int) (int, bool) {
	e := d.find(op)
	if e == nil || i >= len(e.numbers) || e.numbers[i] != math.Trunc(e.numbers[i]) ||
		math.Abs(e.numbers[i]) > math.MaxInt32 {
		return 0, false
	}
	return int(e.numbers[i]), true
}

// index reads the INDEX that an entry points to.
func (d dict) index(b []byte, op int) (index, error) {
	at, ok := d.number(op, 0)
	if !ok || at <= 0 || at >= len(b) {
		return index{}, errCFF
	}
	x, _, err := readIndex(b[at:])
	return x, err
}
