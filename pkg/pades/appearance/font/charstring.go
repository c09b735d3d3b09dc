package font

import (
	"bytes"
	"errors"
	"math"
)

// Bounds on one charstring (Adobe Technical Note 5177, appendix B). Fonts in use are far below the
// last one.
const (
	maxSubrDepth       = 10
	maxStack           = 513 // of CFF2; Type 2 allows 48
	maxCharstringBytes = 64 << 10
)

var errCharstring = errors.New("a charstring is damaged")

// flattener copies a charstring and replaces each call by the subroutine itself, so that a subset
// needs no subroutines.
type flattener struct {
	global, local index
	out           bytes.Buffer
	stack         []operand
	hints         int // stem hints so far: a hint mask has one bit for each
	ended         bool
}

// operand is a number on the stack and its position in the output. A computed number has no value.
type operand struct {
	value float64
	at    int
}

// charstring returns the outline of a glyph, without calls of subroutines.
func (f *cffFont) charstring(glyph int) ([]byte, error) {
	if glyph >= f.charStrings.count {
		return nil, errCharstring
	}
	fl := flattener{global: f.globalSubrs, local: f.fonts[f.fontOf(glyph)].subrs}
	if err := fl.run(f.charStrings.get(glyph), 0); err != nil {
		return nil, err
	}
	if !fl.ended {
		fl.out.WriteByte(14) // endchar
	}
	return fl.out.Bytes(), nil
}

// run copies one charstring or subroutine.
func (f *flattener) run(b []byte, depth int) error {
	if depth > maxSubrDepth {
		return errCharstring
	}
	for at := 0; at < len(b) && !f.ended; {
		if f.out.Len() > maxCharstringBytes || len(f.stack) > maxStack {
			return errCharstring
		}
		c := b[at]
		if c == 28 || c >= 32 {
			n, err := f.number(b[at:])
			if err != nil {
				return err
			}
			at += n
			continue
		}
		switch c {
		case 10, 29: // callsubr, callgsubr
			if err := f.call(c == 29, depth); err != nil {
				return err
			}
			at++
		case 11: // return
			return nil
		default:
			n, err := f.operator(b[at:])
			if err != nil {
				return err
			}
			at += n
		}
	}
	return nil
}

// number copies a number and returns its length.
func (f *flattener) number(b []byte) (int, error) {
	v, n := 0.0, 0
	switch c := b[0]; {
	case c == 255 && len(b) >= 5:
		v, n = float64(int32(u32(b[1:])))/65536, 5
	case c != 255:
		v, n = dictNumber(b)
	}
	if n == 0 {
		return 0, errCharstring
	}
	f.stack = append(f.stack, operand{v, f.out.Len()})
	f.out.Write(b[:n])
	return n, nil
}

// call removes the number of the subroutine from the output and continues in the subroutine.
func (f *flattener) call(global bool, depth int) error {
	subrs := &f.local
	if global {
		subrs = &f.global
	}
	if len(f.stack) == 0 {
		return errCharstring
	}
	number := f.stack[len(f.stack)-1]
	f.stack = f.stack[:len(f.stack)-1]
	bias := 107
	switch {
	case subrs.count >= 33900:
		bias = 32768
	case subrs.count >= 1240:
		bias = 1131
	}
	i := number.value + float64(bias)
	if !(i >= 0 && i < float64(subrs.count)) || i != math.Trunc(i) || number.at < 0 {
		return errCharstring
	}
	f.out.Truncate(number.at)
	return f.run(subrs.get(int(i)), depth+1)
}

// operator copies an operator with its mask bytes, if it has any, and returns their length.
func (f *flattener) operator(b []byte) (int, error) {
	n := 1
	switch b[0] {
	case 1, 3, 18, 23: // hstem, vstem, hstemhm, vstemhm
		f.hints += len(f.stack) / 2
	case 19, 20: // hintmask, cntrmask, before which vstem may be left out
		f.hints += len(f.stack) / 2
		n += (f.hints + 7) / 8
	case 12:
		n = 2
		if len(b) >= 2 && f.arithmetic(b[1]) {
			f.out.Write(b[:2])
			return 2, nil
		}
	case 14: // endchar
		if len(f.stack) >= 4 {
			return 0, errors.New("an accented character is made of two others, which is not supported")
		}
		f.ended = true
	case 4, 5, 6, 7, 8, 21, 22, 24, 25, 26, 27, 30, 31: // moves, lines and curves
	default:
		return 0, errCharstring
	}
	if len(b) < n {
		return 0, errCharstring
	}
	f.stack = f.stack[:0]
	f.out.Write(b[:n])
	return n, nil
}

// effects says how many operands an arithmetic operator removes and adds. The values are not
// computed.
var effects = map[byte][2]int{
	3: {
		2,
		1,
	},
	4:  {2, 1},
	5:  {1, 1},
	9:  {1, 1},
	10: {2, 1},
	11: {2, 1},
	12: {2, 1},
	14: {1, 1},
	15: {2, 1},
	18: {1, 0},
	20: {2, 0},
	21: {1, 1},
	22: {4, 1},
	23: {0, 1},
	24: {2, 1},
	26: {1, 1},
	27: {1, 2},
	28: {2, 2},
	29: {1, 1},
	30: {2, 0},
}

// arithmetic applies an arithmetic operator to the stack. It returns false for any other operator.
func (f *flattener) arithmetic(op byte) bool {
	effect, ok := effects[op]
	if !ok || len(f.stack) < effect[0] {
		return false
	}
	f.stack = f.stack[:len(f.stack)-effect[0]]
	for i := range f.stack {
		f.stack[i].at = -1 // a later call must not cut the operator out of the output
	}
	for range effect[1] {
		f.stack = append(f.stack, operand{math.NaN(), -1})
	}
	return true
}
