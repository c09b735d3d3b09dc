package textsearch

import (
	"errors"
	"io"
	"slices"
	"sort"
	"unicode/utf16"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// cmap maps character codes to CIDs or to Unicode (ISO 32000-2 9.7.5, 9.10.3). It keeps ranges as
// ranges, so it needs no more memory than the CMap takes in the file.
type cmap struct {
	spaces   []codespace
	chars    map[uint32]target
	ranges   []codeRange // sorted by their first code before use
	vertical bool
	entries  int
}

// codespace is a range of codes of one length. Each byte is between the bytes of low and high.
type codespace struct{ low, high string }

// target is the meaning of a code: a CID, or text.
type target struct {
	cid  uint32
	text string
}

// codeRange is a range of codes. Each code stands for the CID after the one before, or for the text
// whose last character is the next one.
type codeRange struct {
	first, last uint32
	to          target
}

// blocks maps the operators that start a block of entries to the operators that end it and have the
// entries as operands (Adobe Technical Note 5014).
var blocks = map[string]string{
	"begincodespacerange": "endcodespacerange",
	"beginbfchar":         "endbfchar", "begincidchar": "endcidchar",
	"beginbfrange": "endbfrange", "begincidrange": "endcidrange",
}

// spilledOperands is how many operands of a block are processed at once: a multiple of two and
// three, because an entry has two or three.
const spilledOperands = 600

// parseCMap reads a CMap. It keeps what it read before damage. A block should have at most 100
// entries, but many writers put all entries into one block, so parseCMap processes a few at a time.
func parseCMap(r io.Reader) (*cmap, error) {
	m := &cmap{chars: map[uint32]target{}}
	c := pdf.NewContent(io.LimitReader(r, maxCMapBytes))
	end := "" // the operator that ends the current block
	c.Spill(spilledOperands, func(operands []pdf.Object) { m.add(end, operands) })
	for {
		operator, operands, err := c.Next()
		if errors.Is(err, io.EOF) || err != nil && !fatal(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		m.add(operator, operands)
		end = blocks[operator]
		if m.entries > maxMappings {
			break
		}
	}
	sort.SliceStable(m.ranges, func(i, j int) bool { return m.ranges[i].first < m.ranges[j].first })
	return m, nil
}

// add adds entries of a block. It never gets a part of an entry, because spilledOperands is a
// multiple of the operands of each kind of entry.
func (m *cmap) add(operator string, operands []pdf.Object) {
	if m.entries += len(operands) / 2; m.entries > maxMappings {
		return
	}
	switch operator {
	case "endcodespacerange":
		for pair := range slices.Chunk(operands, 2) {
			if low, high, ok := twoStrings(pair); ok && len(low) == len(high) && len(low) >= 1 && len(low) <= 4 {
				m.spaces = append(m.spaces, codespace{low, high})
			}
		}
	case "endbfchar", "endcidchar":
		for pair := range slices.Chunk(operands, 2) {
			if code, ok := pair[0].(pdf.String); ok && len(pair) == 2 {
				m.chars[codeOf(code.Value)] = targetOf(pair[1])
			}
		}
	case "endbfrange", "endcidrange":
		for triple := range slices.Chunk(operands, 3) {
			m.addRange(triple)
		}
	case "def":
		if len(operands) >= 2 && operands[len(operands)-2] == pdf.Name("WMode") {
			m.vertical = number(operands[len(operands)-1]) == 1
		}
	}
}

func (m *cmap) addRange(triple []pdf.Object) {
	low, high, ok := twoStrings(triple)
	if !ok || len(triple) != 3 {
		return
	}
	first, last := codeOf(low), codeOf(high)
	list, ok := triple[2].(pdf.Array)
	if !ok {
		m.ranges = append(m.ranges, codeRange{first, last, targetOf(triple[2])})
		return
	}
	m.entries += len(list)
	for i, o := range list {
		if code := first + uint32(i); code >= first && code <= last && m.entries <= maxMappings {
			m.chars[code] = targetOf(o)
		}
	}
}

func twoStrings(list []pdf.Object) (a, b string, ok bool) {
	if len(list) < 2 {
		return "", "", false
	}
	x, first := list[0].(pdf.String)
	y, second := list[1].(pdf.String)
	return x.Value, y.Value, first && second
}

// codeOf reads a code of up to four bytes.
func codeOf(s string) uint32 {
	var n uint32
	for i := range min(len(s), 4) {
		n = n<<8 | uint32(s[i])
	}
	return n
}

func targetOf(o pdf.Object) target {
	switch o := o.(type) {
	case pdf.Number:
		n, _ := o.Int()
		return target{cid: uint32(max(0, min(n, 0xffff)))}
	case pdf.String:
		return target{text: utf16Text(o.Value)}
	case pdf.Name: // old CMaps use glyph names
		return target{text: nameText(string(o))}
	}
	return target{}
}

// utf16Text decodes UTF-16BE. It also accepts a single byte, which some writers use by mistake.
func utf16Text(s string) string {
	if len(s) > maxDestBytes {
		return ""
	}
	if len(s) == 1 {
		return string(rune(s[0]))
	}
	units := make([]uint16, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i])<<8|uint16(s[i+1]))
	}
	return string(utf16.Decode(units))
}

// lookup returns the meaning of a code, and false if the CMap does not have the code.
func (m *cmap) lookup(code uint32) (target, bool) {
	if to, ok := m.chars[code]; ok {
		return to, true
	}
	i := sort.Search(len(m.ranges), func(i int) bool { return m.ranges[i].first > code })
	if i == 0 || m.ranges[i-1].last < code {
		return target{}, false
	}
	r := m.ranges[i-1]
	to := target{cid: r.to.cid + code - r.first}
	if runes := []rune(r.to.text); len(runes) > 0 {
		runes[len(runes)-1] += rune(code - r.first)
		to.text = string(runes)
	}
	return to, true
}

// length returns the number of bytes of the next code, according to the codespace ranges. It is two
// if there are none.
func (m *cmap) length(codes string) int {
	shortest := 0
	for _, s := range m.spaces {
		n := len(s.low)
		if shortest == 0 || n < shortest {
			shortest = n
		}
		if len(codes) >= n && s.contains(codes[:n]) {
			return n
		}
	}
	if shortest == 0 {
		shortest = 2
	}
	return min(shortest, len(codes))
}

func (s codespace) contains(code string) bool {
	for i := range len(code) {
		if code[i] < s.low[i] || code[i] > s.high[i] {
			return false
		}
	}
	return true
}
