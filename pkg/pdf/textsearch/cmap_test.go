package textsearch

import (
	"fmt"
	"strings"
	"testing"
)

// block returns one block of a CMap. entry writes the entry of a code.
func block(name string, first, count, step int, entry func(code int) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d begin%s\n", count, name)
	for i := range count {
		b.WriteString(entry(first+i*step) + "\n")
	}
	return b.String() + "end" + name + "\n"
}

// In these CMaps a code maps to itself with the highest of 16 bits inverted. So a test notices if a
// code is returned unmapped. char, pair and list write one entry: for one code, for two codes with
// the first text, and for two codes with both texts.

func char(code int) string { return fmt.Sprintf("<%04X> <%04X>", code, code^0x8000) }

func pair(code int) string { return fmt.Sprintf("<%04X> <%04X> <%04X>", code, code+1, code^0x8000) }

func list(code int) string {
	return fmt.Sprintf("<%04X> <%04X> [<%04X> <%04X>]", code, code+1, code^0x8000, code^0x8000+1)
}

// TestLongBlocks reads CMaps that have all their entries in one block.
func TestLongBlocks(t *testing.T) {
	for name, text := range map[string]string{
		"chars":                block("bfchar", 0, 65536, 1, char),
		"ranges":               block("bfrange", 0, 32768, 2, pair),
		"ranges with lists":    block("bfrange", 0, 32768, 2, list),
		"several long blocks":  block("bfchar", 0, 20002, 1, char) + block("bfrange", 20002, 22767, 2, pair),
		"a block before a def": "/WMode 0 def " + block("bfchar", 0, 65536, 1, char) + "/WMode 1 def",
	} {
		t.Run(name, func(t *testing.T) {
			m, err := parseCMap(strings.NewReader("1 begincodespacerange <0000> <FFFF> endcodespacerange\n" + text))
			if err != nil {
				t.Fatal(err)
			}
			for code := range uint32(65536) {
				want := string(rune(code ^ 0x8000))
				if code^0x8000 >= 0xd800 && code^0x8000 < 0xe000 {
					continue // half of a UTF-16 pair
				}
				if to, ok := m.lookup(code); !ok || to.text != want {
					t.Fatalf("lookup(%#x) = %q, %v, want %q", code, to.text, ok, want)
				}
			}
			if m.vertical != strings.Contains(text, "def") || m.length("\x00\x01") != 2 {
				t.Errorf("vertical = %v, a code takes %d bytes", m.vertical, m.length("\x00\x01"))
			}
		})
	}
}

// TestFindWithLongMap finds a word in a font whose ToUnicode map has thousands of entries in one
// block.
func TestFindWithLongMap(t *testing.T) {
	unicode := block("bfchar", 0, 20000, 1, func(code int) string { return fmt.Sprintf("<%04X> <%04X>", code, code+0x20) })
	s := sheet{
		content: []string{"BT /F4 10 Tf 100 500 Td <003300290027002E> Tj ET"},
		objects: map[string]string{"unicode": stream("", unicode)},
	}
	if p, ok := s.find(t, "SIGN"); !ok || !p.near(at{0, 100, 500}) {
		t.Errorf("SIGN is at %v, %v, want 100, 500", p, ok)
	}
}

// TestMapsAreBounded checks that a CMap with more than maxMappings entries is read without an
// error, and that the entries beyond the limit are ignored.
func TestMapsAreBounded(t *testing.T) {
	m, err := parseCMap(
		strings.NewReader(
			block("bfchar", 0, 3*maxMappings, 1, func(code int) string { return fmt.Sprintf("<%06X><41>", code) }),
		),
	)
	if err != nil || len(m.chars) > maxMappings {
		t.Errorf("%d entries, %v, want at most %d", len(m.chars), err, maxMappings)
	}
}
