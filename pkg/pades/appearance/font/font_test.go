package font

import (
	"bytes"
	"strings"
	"testing"
)

func face(t *testing.T, name string) *Face {
	t.Helper()
	f, err := Lookup(name)
	if err != nil {
		t.Fatalf("Lookup(%q): %v", name, err)
	}
	return f
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"": "LiberationSerif", "Times New Roman": "LiberationSerif", "no such font": "LiberationSerif",
		"PTSerif": "LiberationSerif",
		"arial":   "LiberationSans", "Helvetica": "LiberationSans", "DejaVu Sans": "LiberationSans",
		"CALIBRI": "LiberationSans",
		"courier": "LiberationMono", "Courier New": "LiberationMono", "DejaVu Sans Mono": "LiberationMono",
	} {
		if got := face(t, name).Name(); got != want {
			t.Errorf("Lookup(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestFaceCoversEuropeanScripts(t *testing.T) {
	const text = "AZaz09 ÀÿŐłŽșț €„“”–… ΑΩαωάΰ ЀЯяѓїЎ @#&*()[]{}"
	for _, name := range []string{"serif", "sans", "mono"} {
		f := face(t, name)
		for _, r := range text {
			if !f.Has(r) {
				t.Errorf("%s does not draw %q", f.Name(), r)
			}
		}
		for _, r := range "ب漢😀\x00\n" {
			if f.Has(r) {
				t.Errorf("%s draws %q, want it to be refused", f.Name(), r)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	f := face(t, "serif")
	// The metrics of Times, which Liberation Serif matches.
	for r, want := range map[rune]int{'A': 722, 'a': 444, ' ': 250} {
		if got := f.Advance(r); got != want {
			t.Errorf("Advance(%q) = %d, want %d", r, got, want)
		}
	}
	if got := f.Ascent() + f.Descent(); got < 1100 || got > 1110 {
		t.Errorf("Ascent+Descent = %v, want about 1107", got)
	}
}

func TestSubsetProgram(t *testing.T) {
	for _, name := range []string{"serif", "sans", "mono"} {
		f := face(t, name)
		s := f.NewSubset()
		codes := s.Encode("Ação É ǻ")
		embedded := s.Program()
		if got := checksum(embedded); got != 0xb1b0afba {
			t.Errorf("%s: checksum of the program = %#x, want 0xb1b0afba", f.Name(), got)
		}
		sub := &program{tables: make(map[string][]byte)}
		if err := sub.directory(embedded); err != nil {
			t.Fatal(err)
		}
		if err := sub.parseHeaders(); err != nil {
			t.Fatal(err)
		}
		if err := sub.parseLoca(); err != nil {
			t.Fatal(err)
		}
		for i, r := range []rune("Ação É ǻ") {
			cid := u16(codes[2*i:])
			checkGlyph(t, f, sub, f.Glyph(r), cid)
		}
		if got, want := len(s.Widths()), len(sub.loca)-1; got != want {
			t.Errorf("%s: %d widths, want %d", f.Name(), got, want)
		}
	}
}

// checkGlyph checks that a glyph of the subset has the same advance and the same parts as the
// original.
func checkGlyph(t *testing.T, f *Face, sub *program, from, to uint16) {
	t.Helper()
	wantAdvance, wantBearing := f.metrics(from)
	if advance, bearing := sub.metrics(to); advance != wantAdvance || bearing != wantBearing {
		t.Errorf("%s: metrics of %d = %d, %d, want %d, %d", f.Name(), to, advance, bearing, wantAdvance, wantBearing)
	}
	want, got := f.outline(from), sub.outline(to)
	if len(want) == 0 {
		if len(got) != 0 {
			t.Errorf("%s: glyph %d has an outline, want none", f.Name(), to)
		}
		return
	}
	if !bytes.Equal(got[:10], want[:10]) {
		t.Errorf("%s: glyph %d has another head", f.Name(), to)
	}
	if i16(want) >= 0 {
		if !bytes.HasPrefix(got[12+2*i16(got):], want[12+2*i16(want)+int(u16(want[10+2*i16(want):])):]) {
			t.Errorf("%s: glyph %d has other points", f.Name(), to)
		}
		return
	}
	for at := 10; ; at += componentSize(u16(want[at:])) {
		checkGlyph(t, f, sub, u16(want[at+2:]), u16(got[at+2:]))
		if u16(want[at:])&moreComponents == 0 {
			return
		}
	}
}

func TestSubsetIsSmallAndStable(t *testing.T) {
	text := "Digitally signed by João Álvares Cabral\n2026-11-22 10:00:00 UTC"
	one, two := face(t, "").NewSubset(), face(t, "").NewSubset()
	one.Encode(text)
	two.Encode(text)
	if !bytes.Equal(one.Program(), two.Program()) || one.Name() != two.Name() {
		t.Error("two subsets for one text differ")
	}
	if n := len(one.Program()); n > 8<<10 {
		t.Errorf("program has %d bytes, want at most 8 KiB", n)
	}
	other := face(t, "").NewSubset()
	other.Encode("other")
	if one.Name() == other.Name() {
		t.Errorf("subsets of other glyphs are both named %s", one.Name())
	}
	if name := one.Name(); len(name) < 8 || name[6] != '+' || strings.ToUpper(name[:6]) != name[:6] {
		t.Errorf("Name = %q, want six capitals and a plus sign before the font's name", name)
	}
}

func TestCIDSetNamesEveryGlyph(t *testing.T) {
	s := face(t, "").NewSubset()
	s.Encode("abcdefghé")
	s.Program()
	set := s.CIDSet()
	n := 0
	for _, b := range set {
		for ; b != 0; b <<= 1 {
			n += int(b >> 7)
		}
	}
	if want := len(s.Widths()); n != want || len(set) != (want+7)/8 {
		t.Errorf("CIDSet has %d bits in %d bytes, want %d", n, len(set), want)
	}
}

func TestParseRefusesDamage(t *testing.T) {
	whole := face(t, "mono")
	tests := map[string][]byte{
		"empty":      nil,
		"no font":    []byte("%PDF-1.7 and some more bytes"),
		"truncated":  writeSFNT(map[string][]byte{"head": make([]byte, 54)})[:20],
		"no glyf":    writeSFNT(map[string][]byte{"head": make([]byte, 54)}),
		"short loca": writeSFNT(with(whole.tables, "loca", whole.tables["loca"][:100])),
		"wild loca":  writeSFNT(with(whole.tables, "glyf", whole.tables["glyf"][:100])),
		"short cmap": writeSFNT(with(whole.tables, "cmap", whole.tables["cmap"][:60])),
		"short hmtx": writeSFNT(with(whole.tables, "hmtx", nil)),
	}
	for name, content := range tests {
		p, err := parse(content)
		if err == nil {
			_, err = p.unicodeMap()
		}
		if err == nil {
			t.Errorf("%s: parse accepted it", name)
		}
	}
}

func with(tables map[string][]byte, name string, data []byte) map[string][]byte {
	out := map[string][]byte{name: data}
	for k, v := range tables {
		if k != name {
			out[k] = v
		}
	}
	return out
}
