package font

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
)

func own(t testing.TB, name string) *Face {
	t.Helper()
	f, err := parseOwn(name, testFont(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCompactProgramHasTheSameOutlines reads subsets of fonts with table CFF, CID-keyed and not,
// with another reader. It compares each outline with the original.
func TestCompactProgramHasTheSameOutlines(t *testing.T) {
	for name, text := range map[string]string{"NotoSansCJKsc.otf": "张伟（发票专用章）",
		"TestSymbols.otf": "⟦∰⨌"} {
		f := own(t, name)
		s := f.NewSubset()
		codes := s.Encode(text)
		if !s.Compact() {
			t.Fatalf("%s is no font with table CFF", name)
		}
		program := s.Program()
		if n := len(program); n > 6000 {
			t.Errorf("%s: the program has %d bytes, want at most 6000", name, n)
		}
		whole, err := font.ParseTTF(bytes.NewReader(testFont(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := font.ParseTTF(bytes.NewReader(writeSFNT(map[string][]byte{
			"CFF ": program, "cmap": table(t, name, "cmap"), "head": f.tables["head"], "hhea": s.hhea(), "hmtx": s.hmtx(),
			"maxp": {0, 0, 0x50, 0, 0, byte(len(s.glyphs))},
		})))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range []rune(text) {
			want, ok := whole.GlyphDataOutline(opentype.GID(f.Glyph(r)))
			got, ok2 := sub.GlyphDataOutline(opentype.GID(u16(codes[2*i:])))
			if !ok || !ok2 || len(want.Segments) == 0 || !slices.Equal(got.Segments, want.Segments) {
				t.Errorf("%s: the outline of %q differs: %d segments, want %d", name, r, len(got.Segments), len(want.Segments))
			}
		}
		if again := f.NewSubset(); !bytes.Equal(again.Encode(text), codes) || !bytes.Equal(again.Program(), program) {
			t.Errorf("%s: two subsets for one text differ", name)
		}
	}
}

// table returns a table of a test font.
func table(t *testing.T, name, tag string) []byte {
	t.Helper()
	p := &program{tables: make(map[string][]byte)}
	if err := p.directory(testFont(t, name)); err != nil {
		t.Fatal(err)
	}
	return p.tables[tag]
}

func TestCharstringFlattening(t *testing.T) {
	// Numbers of one byte are 139 more; with few subroutines the bias is 107.
	subr := func(i int) byte { return byte(i - 107 + 139) }
	local := writeIndex([]byte{140, 141, 11}, []byte{subr(0), 10, 6, 11}, []byte{subr(2), 10})
	global := writeIndex([]byte{21, 14})
	tests := []struct {
		name string
		code []byte
		want []byte // nil = refused
	}{
		{"no calls", []byte{139, 139, 21, 14}, []byte{139, 139, 21, 14}},
		{"a call in a call", []byte{subr(1), 10, 14}, []byte{140, 141, 6, 14}},
		{"the end in a global subroutine", []byte{139, 139, subr(0), 29, 99}, []byte{139, 139, 21, 14}},
		{"no end", []byte{139, 22}, []byte{139, 22, 14}},
		{
			"hint mask of two bytes",
			append(bytes.Repeat([]byte{139}, 18), 23, 19, 10, 29, 14),
			append(bytes.Repeat([]byte{139}, 18), 23, 19, 10, 29, 14),
		},
		{"real number", []byte{255, 0, 1, 128, 0, 22, 14}, []byte{255, 0, 1, 128, 0, 22, 14}},
		{"endless calls", []byte{subr(2), 10}, nil},
		{"no such subroutine", []byte{239, 10}, nil},
		{"computed number of a subroutine", []byte{139, 139, 12, 10, 10}, nil},
		{"call without a number", []byte{10}, nil},
		{"accented character", []byte{139, 139, 139, 139, 14}, nil},
		{"reserved operator", []byte{2}, nil},
		{"cut number", []byte{28, 1}, nil},
		{"cut hint mask", []byte{139, 139, 19}, nil},
	}
	for _, tt := range tests {
		l, _, err := readIndex(local)
		if err != nil {
			t.Fatal(err)
		}
		g, _, err := readIndex(global)
		if err != nil {
			t.Fatal(err)
		}
		chars, _, err := readIndex(writeIndex(tt.code))
		if err != nil {
			t.Fatal(err)
		}
		f := cffFont{globalSubrs: g, charStrings: chars, fonts: []cffPart{{subrs: l}}, fontOf: func(int) int { return 0 }}
		got, err := f.charstring(0)
		if (err != nil) != (tt.want == nil) || !bytes.Equal(got, tt.want) {
			t.Errorf("%s: charstring = %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

// FuzzOwnFont parses damaged fonts, shapes text with them and makes subsets of them.
func FuzzOwnFont(f *testing.F) {
	for _, name := range []string{"NotoSansThai.ttf", "NotoSansCJKsc.otf", "TestSymbols.otf", "NotoSansArabic.ttf"} {
		f.Add(testFont(f, name))
	}
	text := []rune("น้ำ张伟⟦محمد لا")
	f.Fuzz(func(t *testing.T, program []byte) {
		face, err := parseOwn("fuzz.ttf", program)
		if err != nil {
			return
		}
		if strings.ContainsAny(face.Name(), " /()<>") || face.Name() == "" {
			t.Errorf("Name = %q, not a name in a PDF file", face.Name())
		}
		glyphs, err := face.Shape(text, Run{0, len(text), language.Thai, false})
		if err != nil {
			t.Skip(err)
		}
		s := face.NewSubset()
		for _, g := range glyphs {
			if face.Drawable(g.ID) == nil {
				s.Glyph(g.ID, "x")
			}
			face.Width(g.ID)
		}
		s.Program()
		s.Widths()
	})
}
