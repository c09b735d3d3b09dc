package xmlc14n

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// canonicalCases show one rule each.
var canonicalCases = []struct {
	name string
	form Form
	doc  string
	want string
}{
	{"line break and tab in a value become blanks", Form{}, "<a b='1\n2\t3\r\n4\r5'/>", `<a b="1 2 3 4 5"></a>`},
	{
		"references in a value stay",
		Form{},
		"<a b='&#10;&#9;&#13;&lt;&gt;&amp;&quot;'/>",
		`<a b="&#xA;&#x9;&#xD;&lt;>&amp;&quot;"></a>`,
	},
	{"quotes", Form{}, `<a b='"' c="'"/>`, `<a b="&quot;" c="'"></a>`},
	{"text", Form{}, "<a>&lt;&gt;&amp;&quot;\"'&#13;\r\n\r></a>", "<a>&lt;&gt;&amp;\"\"'&#xD;\n\n&gt;</a>"},
	{"CDATA becomes text", Form{}, "<a><![CDATA[<&>]]]]><![CDATA[>]]></a>", "<a>&lt;&amp;&gt;]]&gt;</a>"},
	{"declaration and blanks outside the root go", Form{}, "<?xml version='1.0'?>\n\n <a/> \n", "<a></a>"},
	{
		"instructions and comments outside the root", Form{Comments: true},
		"<?p?><!--c-->\n<a/><!--d--> <?q  e ?>", "<?p?>\n<!--c-->\n<a></a>\n<!--d-->\n<?q e ?>",
	},
	{"a root without content is followed by a line feed", Form{}, "<a/><?p?>", "<a></a>\n<?p?>"},
	{"comments go", Form{}, "<!--c--><a><!--d-->x<!--e--></a>", "<a>x</a>"},
	{
		"order of attributes", Form{}, "<a xmlns:b='urn:y' xmlns:a='urn:x' xmlns='urn:d' b:a='1' a:b='2' c='3' B='4'/>",
		`<a xmlns="urn:d" xmlns:a="urn:x" xmlns:b="urn:y" B="4" c="3" a:b="2" b:a="1"></a>`,
	},
	{"superfluous declarations go", Form{}, "<a xmlns='urn:a'><b xmlns='urn:a'/></a>", `<a xmlns="urn:a"><b></b></a>`},
	{"superfluous empty default goes", Form{}, "<a xmlns=''><b xmlns=''/></a>", "<a><b></b></a>"},
	{"empty default stays", Form{}, "<a xmlns='urn:a'><b xmlns=''/></a>", `<a xmlns="urn:a"><b xmlns=""></b></a>`},
	{
		"prefix xml is not declared",
		Form{},
		"<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xml:lang='e'/>",
		`<a xml:lang="e"></a>`,
	},
	{
		"namespace names are escaped",
		Form{},
		"<a xmlns='urn:x&amp;y'><b xmlns='urn:y'/></a>",
		`<a xmlns="urn:x&amp;y"><b xmlns="urn:y"></b></a>`,
	},
	{
		"exclusive declares where it is used", Form{Method: Exclusive},
		"<a xmlns:p='urn:p' xmlns:q='urn:q' xmlns='urn:d'><p:b/><p:c q:x=''/></a>",
		`<a xmlns="urn:d"><p:b xmlns:p="urn:p"></p:b><p:c xmlns:p="urn:p" xmlns:q="urn:q" q:x=""></p:c></a>`,
	},
	{
		"exclusive declares again what was hidden", Form{Method: Exclusive},
		"<p:a xmlns:p='urn:1'><p:b xmlns:p='urn:2'><p:c xmlns:p='urn:1'/></p:b><p:d/></p:a>",
		`<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1"></p:c></p:b><p:d></p:d></p:a>`,
	},
	{
		"exclusive has no superfluous empty default", Form{Method: Exclusive},
		"<p:a xmlns:p='urn:p' xmlns='urn:d'><b xmlns=''/></p:a>", `<p:a xmlns:p="urn:p"><b></b></p:a>`,
	},
	{
		"prefix list", Form{Method: Exclusive, Prefixes: []string{"q", "#default"}},
		"<p:a xmlns:p='urn:p' xmlns:q='urn:q' xmlns:r='urn:r' xmlns='urn:d'><b/></p:a>",
		`<p:a xmlns="urn:d" xmlns:p="urn:p" xmlns:q="urn:q"><b></b></p:a>`,
	},
}

// TestCanonical shows the rules of canonical form.
func TestCanonical(t *testing.T) {
	for _, c := range canonicalCases {
		got, err := canonical([]byte(c.doc), Config{Form: c.form})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// TestInherited shows what an element in its place takes from the elements around.
func TestInherited(t *testing.T) {
	for _, c := range []struct {
		name   string
		method Method
		doc    string
		want   string
	}{
		{
			"1.0 inherits the nearest of each", Inclusive10,
			"<a xml:lang='1' xml:id='i' xml:base='b' xmlns='urn:d' xmlns:p='urn:p'><b xml:lang='2'><e xml:base='c'/></b></a>",
			`<e xmlns="urn:d" xmlns:p="urn:p" xml:base="c" xml:id="i" xml:lang="2"></e>`,
		},
		{"1.1 does not inherit xml:id", Inclusive11, "<a xml:id='i' xml:lang='l' xml:x=''><e/></a>", `<e xml:lang="l"></e>`},
		{"1.1 joins xml:base", Inclusive11, "<a xml:base='something/else'><b xml:base='bar/'><e xml:base='foo'/></b></a>", `<e xml:base="something/bar/foo"></e>`},
		{"1.1 takes xml:base over", Inclusive11, "<a xml:base='a/..'><b/><e/></a>", `<e xml:base="a/.."></e>`},
		{"1.1 leaves out an empty xml:base", Inclusive11, "<a xml:base='abc/'><e xml:base='../' z=''/></a>", `<e z=""></e>`},
		{"1.1 keeps xml:base that is alone", Inclusive11, "<a><e xml:base='x/../y'/></a>", `<e xml:base="x/../y"></e>`},
		{"exclusive inherits nothing", Exclusive, "<a xml:lang='1' xmlns='urn:d' xmlns:p='urn:p'><e/></a>", `<e xmlns="urn:d"></e>`},
	} {
		got, err := canonical(
			[]byte(c.doc),
			Config{Form: Form{Method: c.method}, Select: func(t *Token) bool { return string(t.Local()) == "e" }},
		)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

// TestSelected canonicalizes one element only, and says when there is none.
func TestSelected(t *testing.T) {
	const doc = "<!--0--><a><b>1<c/></b><b>2</b></a><!--3-->"
	b := Named("", "b")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Select: b}, "<b>1<c></c></b>"},
		{Config{Select: At(23)}, "<b>2</b>"},
		{Config{Omit: b}, "<a></a>"},
		{Config{Omit: At(23)}, "<a><b>1<c></c></b></a>"},
		{Config{Select: b, Omit: Named("", "c")}, "<b>1</b>"},
		{Config{Select: b, Omit: b}, ""},
	} {
		if got, err := canonical([]byte(doc), c.cfg); err != nil || string(got) != c.want {
			t.Errorf("%q, %v, want %q", got, err, c.want)
		}
	}
	if got, err := canonical([]byte(doc), Config{Select: Named("", "x")}); err == nil || len(got) > 0 {
		t.Errorf("an element that does not exist: %q, %v, want an error", got, err)
	}
}

// TestOnePass feeds several canonicalizers in one pass.
func TestOnePass(t *testing.T) {
	text, elements := generate(7)
	var configs []Config
	for i, form := range forms {
		configs = append(configs, Config{Form: form}, Config{Form: form, Select: nth(1 + i*elements/len(forms))})
	}
	var outs []*bytes.Buffer
	var cs []*Canonicalizer
	for _, cfg := range configs {
		outs = append(outs, new(bytes.Buffer))
		cs = append(cs, New(outs[len(outs)-1], cfg))
	}
	if err := Canonicalize(NewTokenizer(strings.NewReader(text)), cs...); err != nil {
		t.Fatal(err)
	}
	for i, form := range forms {
		for j, cfg := range []Config{{Form: form}, {Form: form, Select: nth(1 + i*elements/len(forms))}} {
			want, err := canonical([]byte(text), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if got := outs[2*i+j].Bytes(); !bytes.Equal(got, want) {
				t.Errorf("%s: %s", form.URI(), difference(got, want))
			}
		}
	}
}

// brokenWriter fails after some bytes.
type brokenWriter struct{ left int }

var errFull = errors.New("full")

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// TestWriteError gives the error of the writer, at once or when closed.
func TestWriteError(t *testing.T) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		doc := repeat("<a>", "<b>text</b>", int64(n/10), "</a>")
		if err := Canonicalize(NewTokenizer(doc), New(&brokenWriter{left: n / 2}, Config{})); !errors.Is(err, errFull) {
			t.Errorf("%d bytes: error %v, want %v", n, err, errFull)
		}
	}
}

// TestFragment canonicalizes an element, cut out of a document, as the whole document would.
func TestFragment(t *testing.T) {
	for seed := range uint64(300) {
		text, elements := generate(seed)
		place := 1 + int(seed)%elements
		fragment, context := cut(t, text, place)
		for _, form := range forms {
			want, err := canonical([]byte(text), Config{Form: form, Select: nth(place)})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			tok := NewFragmentTokenizer(strings.NewReader(fragment), context)
			if err := Canonicalize(tok, New(&got, Config{Form: form, Select: nth(1)})); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("seed %d, place %d, %s: %s", seed, place, form.URI(), difference(got.Bytes(), want))
			}
		}
	}
}

// cut returns the element with the number as it is written, and its context.
func cut(t *testing.T, text string, place int) (string, Context) {
	t.Helper()
	tok := NewTokenizer(strings.NewReader(text))
	contexts := []Context{tok.Context()}
	var start int64
	depth := 0
	for {
		n, err := tok.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n.Kind == StartElement:
			if place--; place == 0 {
				start, depth = n.Start(), n.Depth
			}
			contexts = append(contexts[:n.Depth], tok.Context())
		case n.Kind == EndElement && n.Depth == depth:
			return text[start:n.End()], contexts[depth-1]
		}
	}
}

// TestContext returns the namespaces in force, and finds a prefix.
func TestContext(t *testing.T) {
	tok := NewTokenizer(
		strings.NewReader("<a xmlns='urn:d' xmlns:p='urn:1'><b xmlns='' xmlns:p='urn:2' xml:lang='l'/></a>"),
	)
	var last Context
	for {
		n, err := tok.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n.Kind == EndElement && string(n.Name()) == "b" {
			last = tok.Context()
		}
	}
	if p, ok := last.Prefix("urn:2"); p != "p" || !ok {
		t.Errorf("Prefix(urn:2) = %q, %v", p, ok)
	}
	if _, ok := last.Prefix("urn:1"); ok {
		t.Error("a hidden declaration is in the context")
	}
	if len(last.Namespaces) != 1 || last.Depth != 2 || len(last.XML) != 1 {
		t.Errorf("context = %+v", last)
	}
}

// TestForms knows the identifier of each form.
func TestForms(t *testing.T) {
	for _, f := range forms {
		if got, ok := ParseURI(f.URI()); !ok || got.Method != f.Method || got.Comments != f.Comments {
			t.Errorf("ParseURI(%q) = %+v, %v", f.URI(), got, ok)
		}
	}
	if _, ok := ParseURI("http://www.w3.org/2010/xml-c14n2"); ok {
		t.Error("an unknown algorithm is known")
	}
}
