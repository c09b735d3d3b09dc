package pdf

import (
	"math"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func parse(s string) (Object, error) {
	p := &parser{lex: newLexer(strings.NewReader(s), 0, maxObjectBytes)}
	o, _, err := p.top()
	return o, err
}

func TestParseAndWrite(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"12", "12"},
		{"+017.50", "+017.50"},
		{"-.5", "-.5"},
		{"--3", "--3"},
		{"true", "true"},
		{"null", "null"},
		{"/Name", "/Name"},
		{"/A#42#20C", "/AB#20C"},
		{"/", "/"},
		{"/50#", "/50#23"},
		{"/\xe9t\xe9", "/#E9t#E9"},
		{"(plain)", "(plain)"},
		{"(a\\)b\\\\(c)\\101\\r\\\n)", "(a\\)b\\\\(c)\\101\\r\\\n)"},
		{"<48 65 6C6c 6F7>", "<48 65 6C6c 6F7>"},
		{"[1 2 0 R/A(x)<41>]", "[1 2 0 R /A (x) <41>]"},
		{"<</A 1/B<</C[]>>/D 4 0 R>>", "<</A 1/B <</C []>>/D 4 0 R>>"},
		{"<</A 1 % a comment\n/B 2>>", "<</A 1/B 2>>"},
		{"[1 0 R 2 0 R]", "[1 0 R 2 0 R]"},
		{"7 0 R", "7 0 R"},
	} {
		o, err := parse(tt.in + " endobj")
		if err != nil {
			t.Errorf("parse(%q): %v", tt.in, err)
			continue
		}
		w := &writer{}
		if err := w.object(o); err != nil {
			t.Errorf("write(%q): %v", tt.in, err)
		}
		if got := w.buf.String(); got != tt.want {
			t.Errorf("write(parse(%q)) = %q, want %q", tt.in, got, tt.want)
		}
		again, err := parse(w.buf.String() + " endobj")
		if err != nil || !Equal(o, again) {
			t.Errorf("parse(%q) = %v, %v, want %v", w.buf.String(), again, err, o)
		}
	}
}

func TestParseStrings(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`(a\nb\tc\b\f\()`, "a\nb\tc\b\f("},
		{`(\53\0053\500)`, "+\x053@"},
		{"(line\r\nend\rx\\\r\ny)", "line\nend\nxy"},
		{`(\q)`, "q"},
		{"<901fa>", "\x90\x1f\xa0"},
		{"()", ""},
		{"<>", ""},
	} {
		o, err := parse(tt.in + " endobj")
		if s, ok := o.(String); err != nil || !ok || s.Value != tt.want {
			t.Errorf("parse(%q) = %q, %v, want %q", tt.in, s.Value, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		kind     signing.Kind
		text     string
	}{
		{"open array", "[1 2", signing.KindDamaged, "ends inside"},
		{"open dictionary", "<</A 1", signing.KindDamaged, "ends inside"},
		{"key without value", "<</A>> endobj", signing.KindDamaged, "key without a value"},
		{"key no name", "<<1 2>> endobj", signing.KindDamaged, "key that is not a name"},
		{"mixed brackets", "[<<]>> endobj", signing.KindDamaged, "closed"},
		{"open string", "(abc", signing.KindDamaged, "no end"},
		{"hex with another letter", "<4G>", signing.KindDamaged, "hexadecimal"},
		{"stray word", "<</A foo>> endobj", signing.KindDamaged, "unknown word"},
		{"reference to nothing", "[R] endobj", signing.KindDamaged, "two numbers"},
		{"negative reference", "[-1 0 R] endobj", signing.KindDamaged, "two numbers"},
		{"huge reference", "[99999999999999999999 0 R] endobj", signing.KindDamaged, "two numbers"},
		{"two values", "1 2 endobj", signing.KindDamaged, "more than one value"},
		{"next object begins", "<<>> 5 0 obj", signing.KindDamaged, ""},
		{"deep arrays", strings.Repeat("[", 100_000), signing.KindTooComplex, "nested"},
		{"deep dictionaries", strings.Repeat("<</A", 100_000), signing.KindTooComplex, "nested"},
		{"long name", "/" + strings.Repeat("a", 10_000), signing.KindTooComplex, "longer"},
		{"long number", strings.Repeat("1", 10_000), signing.KindTooComplex, "longer"},
		{"long string", "(" + strings.Repeat("a", maxObjectBytes+10), signing.KindTooComplex, "bytes"},
		{"long array", "[" + strings.Repeat("1 ", maxItems+1), signing.KindTooComplex, "values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.in)
			wantKind(t, err, tt.kind, tt.text)
		})
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		in  Number
		i   int64
		isI bool
		f   float64
		isF bool
	}{
		{"12", 12, true, 12, true},
		{"+5", 5, true, 5, true},
		{"-.5", 0, false, -.5, true},
		{"4.", 0, false, 4, true},
		{"--3", 0, false, 0, false},
		{"1e5", 0, false, 0, false},
		{"9223372036854775808", 0, false, 9223372036854775808, true},
		{"", 0, false, 0, false},
	} {
		i, isI := tt.in.Int()
		if i != tt.i && tt.isI || isI != tt.isI {
			t.Errorf("Number(%q).Int() = %d, %v, want %d, %v", string(tt.in), i, isI, tt.i, tt.isI)
		}
		f, isF := tt.in.Float()
		if f != tt.f || isF != tt.isF {
			t.Errorf("Number(%q).Float() = %g, %v, want %g, %v", string(tt.in), f, isF, tt.f, tt.isF)
		}
	}
	for f, want := range map[float64]Number{0: "0", 1: "1", -2.5: "-2.5", 1.0 / 3: "0.33333", 1e-9: "0",
		math.Copysign(0, -1): "0", 595.28: "595.28"} {
		if got := Real(f); got != want {
			t.Errorf("Real(%g) = %s, want %s", f, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ text, bytes string }{
		{"plain", "plain"},
		{"Prüfung", "\xfe\xff\x00P\x00r\x00\xfc\x00f\x00u\x00n\x00g"},
		{"€\U0001F600", "\xfe\xff\x20\xac\xd8\x3d\xde\x00"},
	} {
		s := Text(tt.text)
		if s.Value != tt.bytes {
			t.Errorf("Text(%q) = %q, want %q", tt.text, s.Value, tt.bytes)
		}
		if got := s.Text(); got != tt.text {
			t.Errorf("Text(%q).Text() = %q", tt.text, got)
		}
	}
	if got, want := (String{Value: "\x80\xa0\xe9\x18"}).Text(), "•€é˘"; got != want {
		t.Errorf("PDFDocEncoding = %q, want %q", got, want)
	}
	if got, want := (String{Value: "\xef\xbb\xbfé"}).Text(), "é"; got != want {
		t.Errorf("UTF-8 = %q, want %q", got, want)
	}
}

func TestDict(t *testing.T) {
	d := &Dict{}
	for i := range 40 { // beyond where an index is made
		d.Set(Name(strings.Repeat("k", i+1)), Int(int64(i)))
	}
	c := d.Clone()
	d.Delete("kkk")
	d.Set("kk", Name("new"))
	if d.Has("kkk") || d.Len() != 39 || d.Get("kk") != Name("new") || d.Get("kkkk") != Int(3) {
		t.Errorf("after Delete and Set: %d entries, kk = %v, kkkk = %v", d.Len(), d.Get("kk"), d.Get("kkkk"))
	}
	if c.Len() != 40 || c.Get("kk") != Int(1) {
		t.Errorf("the clone changed: %d entries, kk = %v", c.Len(), c.Get("kk"))
	}
	o, err := parse("<</A 1/B 2/A 3>> endobj")
	if err != nil {
		t.Fatal(err)
	}
	if key, dup := o.(*Dict).Duplicate(); !dup || key != "A" {
		t.Errorf("Duplicate() = %q, %v, want A", key, dup)
	}
	var none *Dict
	if none.Get("A") != nil || none.Len() != 0 || none.Clone().Len() != 0 {
		t.Error("a nil Dict is not empty")
	}
}
