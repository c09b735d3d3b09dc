package xmlc14n

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// refusedDocuments are wrong documents. The offset is that of the fault.
var refusedDocuments = []struct {
	doc    string
	reason Reason
	offset int64
}{
	{"", NoRoot, 0},
	{" \n<!-- c -->", NoRoot, 12},
	{"text", OutsideRoot, 0},
	{"<a/>text", AfterRoot, 4},
	{"<a/>&amp;", AfterRoot, 4},
	{"<a/><![CDATA[x]]>", AfterRoot, 4},
	{"<![CDATA[x]]><a/>", OutsideRoot, 0},
	{"text<a/>", OutsideRoot, 0},
	{"<a/><b/>", SecondRoot, 4},
	{"<!DOCTYPE a><a/>", Doctype, 0},
	{"<?xml version='1.0'?>\n<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", Doctype, 22},
	{"<a><!DOCTYPE a></a>", Doctype, 3},
	{"<?xml version='1.1'?><a/>", Version, 19},
	{"<?xml version='2.0'?><a/>", Version, 19},
	{"<?xml encoding='UTF-8'?><a/>", Declaration, 5},
	{"<?xml version='1.0' encoding='UTF-8' encoding='UTF-8'?><a/>", Declaration, 37},
	{"<?xml version='1.0' standalone='maybe'?><a/>", Declaration, 38},
	{"<?xml version='1.0' encoding='-'?><a/>", Declaration, 32},
	{"<?xml version='1.0'", Declaration, 19},
	{" <?xml version='1.0'?><a/>", Declaration, 1},
	{"<a><?XML version='1.0'?></a>", Declaration, 3},
	{"<?xml version='1.0' encoding='EBCDIC'?><a/>", UnknownEncoding, 39},
	{"\xEF\xBB\xBF<?xml version='1.0' encoding='ISO-8859-1'?><a/>", WrongEncoding, 46},
	{"<?xml version='1.0' encoding='UTF-16'?><a/>", WrongEncoding, 39},
	{"\xFF\xFE<\x00a\x00/\x00", Incomplete, 8},
	{"\xFF\xFE<\x00a\x00/\x00>", EncodingBytes, 8},
	{"\xFF\xFE<\x00a\x00>\x00\x00\xD8<\x00/\x00a\x00>\x00", EncodingBytes, 8},
	{"\xFE\xFF\x00<\x00a\x00>\xDC\x00\x00<\x00/\x00a\x00>", EncodingBytes, 8},
	{"<a>\xC3</a>", EncodingBytes, 3},
	{"<a>\xC0\x80</a>", EncodingBytes, 3},
	{"<a>\xED\xA0\x80</a>", EncodingBytes, 3},
	{"<a>\xF4\x90\x80\x80</a>", EncodingBytes, 3},
	{"<a>caf\xE9</a>", EncodingBytes, 6},
	{"<a b='\xE9'/>", EncodingBytes, 6},
	{"<a\xE9/>", EncodingBytes, 2},
	{"<a><!-- \xE9 --></a>", EncodingBytes, 8},
	{"<a>\xC3", EncodingBytes, 3},
	{"<?xml version='1.0' encoding='US-ASCII'?><a>\xE9</a>", EncodingBytes, 44},
	{"<?xml version='1.0' encoding='windows-1252'?><a>\x81</a>", EncodingBytes, 48},
	{"<a>\x00</a>", IllegalCharacter, 3},
	{"<a>\x01</a>", IllegalCharacter, 3},
	{"<a>\uFFFE</a>", IllegalCharacter, 3},
	{"<a>\uFFFF</a>", IllegalCharacter, 3},
	{"<a b='\x1F'/>", IllegalCharacter, 6},
	{"<a b='\uFFFE'/>", IllegalCharacter, 6},
	{"<a><![CDATA[\x0B]]></a>", IllegalCharacter, 12},
	{"<a><!--\x0B--></a>", IllegalCharacter, 7},
	{"<a><?p \x0B?></a>", IllegalCharacter, 7},
	{"\x0B<a/>", IllegalCharacter, 0},
	{"<a>&#0;</a>", IllegalCharacter, 3},
	{"<a>&#xD800;</a>", IllegalCharacter, 3},
	{"<a>&#x110000;</a>", IllegalCharacter, 3},
	{"<a>&#99999999999999999999;</a>", IllegalCharacter, 3},
	{"<a b='&#1;'/>", IllegalCharacter, 6},
	{"<a>&nbsp;</a>", Entity, 3},
	{"<a b='&other;'/>", Entity, 6},
	{"<a>&</a>", Syntax, 3},
	{"<a>& ;</a>", Syntax, 3},
	{"<a>&;</a>", Syntax, 3},
	{"<a>&#;</a>", Syntax, 3},
	{"<a>&#x;</a>", Syntax, 3},
	{"<a>&#X41;</a>", Syntax, 3},
	{"<a>&#-1;</a>", Syntax, 3},
	{"<a>]]></a>", SectionEnd, 3},
	{"<a>x]]]></a>", SectionEnd, 5},
	{"<p:a/>", UndeclaredPrefix, 0},
	{"<a p:b=''/>", UndeclaredPrefix, 3},
	{"<a><b xmlns:p='urn:p'/><p:c/></a>", UndeclaredPrefix, 23},
	{"<xmlns:a/>", UndeclaredPrefix, 0},
	{"<a b='' b=''/>", DuplicateAttribute, 8},
	{"<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='' q:b=''/>", DuplicateAttribute, 42},
	{"<a xmlns:p='urn:x' xmlns:p='urn:x'/>", DuplicateAttribute, 19},
	{"<a xmlns='urn:x' xmlns='urn:x'/>", DuplicateAttribute, 17},
	{"<a xmlns='relative'/>", RelativeNamespace, 3},
	{"<a xmlns:p='../x'/>", RelativeNamespace, 3},
	{"<a xmlns:p='//host/x'/>", RelativeNamespace, 3},
	{"<a xmlns:p='1a:x'/>", RelativeNamespace, 3},
	{"<a xmlns:p='&#x20;urn:x'/>", RelativeNamespace, 3},
	{"<a xmlns='urn:x '/>", NamespaceSyntax, 3},
	{"<a xmlns='urn:a&#9;b'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org/ü'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org/{x}'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org/%4'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org/%zz'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org/a#b#c'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org:port/'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org:/'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://example.org:1:2'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://a@b@example.org/'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='http://[::1]/'/>", NamespaceSyntax, 3},
	{"<a xmlns:p='C:\\x'/>", NamespaceSyntax, 3},
	{"<a xmlns:p=''/>", EmptyNamespace, 3},
	{"<a xmlns:xml='urn:x'/>", ReservedNamespace, 3},
	{"<a xmlns:xmlns='urn:x'/>", ReservedNamespace, 3},
	{"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", ReservedNamespace, 3},
	{"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", ReservedNamespace, 3},
	{"<a xmlns='http://www.w3.org/2000/xmlns/'/>", ReservedNamespace, 3},
	{"<:a/>", QualifiedName, 1},
	{"<p:/>", QualifiedName, 3},
	{"<p:q:a/>", QualifiedName, 4},
	{"<a xmlns:=''/>", QualifiedName, 9},
	{"<a><?p:q?></a>", QualifiedName, 6},
	{"</a>", Nesting, 0},
	{"<a></b>", Nesting, 3},
	{"<a></ab>", Nesting, 3},
	{"<ab></a>", Nesting, 4},
	{"<a><b></a></b>", Nesting, 6},
	{"<a/></a>", Nesting, 4},
	{"<a></a ", Incomplete, 7},
	{"<a", Incomplete, 2},
	{"<a>", Incomplete, 3},
	{"<a>text", Incomplete, 7},
	{"<a>\r", Incomplete, 4},
	{"<a>]", Incomplete, 4},
	{"<a>&amp", Incomplete, 7},
	{"<a b", Incomplete, 4},
	{"<a b='", Incomplete, 6},
	{"<", Incomplete, 1},
	{"<a/><", Incomplete, 5},
	{"<a><!-", Incomplete, 6},
	{"<a><!--", Incomplete, 7},
	{"<a><!-- --", Incomplete, 10},
	{"<a><![CDATA[ ]]", Incomplete, 15},
	{"<a><?p", Incomplete, 6},
	{"<a><?p  ", Incomplete, 8},
	{"<a><?p  ?", Incomplete, 9},
	{"<a b/>", Syntax, 4},
	{"<a b=c/>", Syntax, 5},
	{"<a b='c'd='e'/>", Syntax, 8},
	{"<a b=='c'/>", Syntax, 5},
	{"<a b='<'/>", Syntax, 6},
	{"<a / >", Syntax, 4},
	{"< a/>", Syntax, 1},
	{"<1/>", Syntax, 1},
	{"<a></ a>", Syntax, 5},
	{"<a></a/>", Syntax, 6},
	{"<a><!ELEMENT a></a>", Syntax, 3},
	{"<a><!-- -- --></a>", Syntax, 10},
	{"<a><!-- --->", Syntax, 10},
	{"<a><??></a>", Syntax, 5},
	{"<a><?p?q?></a>", Syntax, 6},
}

// TestRefused refuses each wrong document for its reason, at its place, however the bytes arrive.
func TestRefused(t *testing.T) {
	for _, c := range refusedDocuments {
		for name, r := range map[string]io.Reader{
			"at once":      strings.NewReader(c.doc),
			"byte by byte": iotest.OneByteReader(strings.NewReader(c.doc)),
		} {
			err := Canonicalize(NewTokenizer(r), New(io.Discard, Config{}))
			var fault *Error
			if !errors.As(err, &fault) {
				t.Errorf("%q %s: error %v, want %s", c.doc, name, err, c.reason)
				continue
			}
			if fault.Reason != c.reason || fault.Offset != c.offset {
				t.Errorf("%q %s: %s at %d, want %s at %d", c.doc, name, fault.Reason, fault.Offset, c.reason, c.offset)
			}
			if reasonTexts[fault.Reason] == "" {
				t.Errorf("reason %s has no text", fault.Reason)
			}
		}
	}
}

// TestErrorText tells line and byte, and nothing of the document.
func TestErrorText(t *testing.T) {
	_, err := canonical([]byte("<a>\n secret\n<b secret='1' secret='1'/></a>"), Config{})
	const want = "XML line 3, byte 26: an element has an attribute twice"
	if err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
}

// TestReadError gives the error of the reader, again and again.
func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("<a>"+strings.Repeat("x", 3*windowBytes)), iotest.ErrReader(broken))
	tok := NewTokenizer(r)
	if err := Canonicalize(tok, New(io.Discard, Config{})); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v", err, broken)
	}
	if _, err := tok.Next(); !errors.Is(err, broken) {
		t.Errorf("second error = %v, want %v", err, broken)
	}
}

// describe writes tokens in one line each, joining text.
func describe(t *testing.T, doc []byte) string {
	t.Helper()
	var b strings.Builder
	tok := NewTokenizer(bytes.NewReader(doc))
	for {
		n, err := tok.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch n.Kind {
		case StartElement:
			fmt.Fprintf(
				&b,
				"%d start {%s}%s [%d,%d) close %d empty %v",
				n.Depth,
				n.Space(),
				n.Name(),
				n.Start(),
				n.End(),
				n.Close(),
				n.Empty,
			)
			for _, a := range n.Attrs {
				fmt.Fprintf(&b, " {%s}%s=%q", a.Space, a.Name, a.Value)
			}
		case EndElement:
			fmt.Fprintf(&b, "%d end {%s}%s [%d,%d)", n.Depth, n.Space(), n.Name(), n.Start(), n.End())
		case Text:
			fmt.Fprintf(&b, "%d text %q [%d,%d) cdata %v", n.Depth, n.Data(), n.Start(), n.End(), n.CDATA())
		case Comment:
			fmt.Fprintf(&b, "%d comment %q [%d,%d) %v %v", n.Depth, n.Data(), n.Start(), n.End(), n.First, n.Last)
		case ProcInst:
			fmt.Fprintf(
				&b,
				"%d instruction %s %q [%d,%d) %v %v",
				n.Depth,
				n.Name(),
				n.Data(),
				n.Start(),
				n.End(),
				n.First,
				n.Last,
			)
		}
		b.WriteString("\n")
	}
}

// TestTokens reports tokens with names, normalized values and offsets in the original.
func TestTokens(t *testing.T) {
	const doc = "<?xml version='1.0'?>\n<?p  d ?><a xmlns='urn:d' xmlns:p='urn:p'\n p:z = '1&#10;2\n3' b=\"&lt;\"  >" +
		"x&amp;\r\n<![CDATA[<]]><!-- c --><p:e /></a >\n"
	const want = `0 instruction p "d " [22,31) true true
1 start {urn:d}a [31,94) close 93 empty false {}b="<" {urn:p}p:z="1\n2 3"
1 text "x" [94,95) cdata false
1 text "&" [95,100) cdata false
1 text "\n" [101,102) cdata false
1 text "<" [102,115) cdata true
1 comment " c " [115,125) true true
2 start {urn:p}p:e [125,132) close 130 empty true
2 end {urn:p}p:e [132,132)
1 end {urn:d}a [132,137)
`
	if got := describe(t, []byte(doc)); got != want {
		t.Errorf("tokens:\n%s\nwant:\n%s", got, want)
	}
}

// TestEncodings finds the same tokens in every encoding, at offsets of the original.
func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		encoding Encoding
		mark     string
		name     string
		text     string
	}{
		{UTF8, "", "", "é€😀"},
		{UTF8, "\xEF\xBB\xBF", "utf-8", "é€😀"},
		{UTF16LE, "\xFF\xFE", "", "é€😀"},
		{UTF16LE, "\xFF\xFE", "UTF-16", "é€😀"},
		{UTF16LE, "", "UTF-16LE", "é€😀"},
		{UTF16BE, "\xFE\xFF", "", "é€😀"},
		{UTF16BE, "", "utf-16", "é€😀"},
		{ASCII, "", "US-ASCII", "e"},
		{ISO8859x1, "", "iso-8859-1", "éÿ\u0085"},
		{ISO8859x15, "", "ISO-8859-15", "é€Ÿ"},
		{Windows1252, "", "Windows-1252", "é€Ÿ…"},
	} {
		declaration := ""
		if c.name != "" {
			declaration = "<?xml version=\"1.0\" encoding=\"" + c.name + "\"?>\n"
		}
		before := "<a b='" + c.text + "'>" + c.text + "&amp;"
		text := declaration + before + "<c/>" + c.text + "</a>"
		doc := c.encoding.Append([]byte(c.mark), text)
		tok := NewTokenizer(bytes.NewReader(doc))
		for {
			n, err := tok.Next()
			if err != nil {
				t.Errorf("%s %q: %v", c.encoding, c.name, err)
				break
			}
			if string(n.Name()) != "c" {
				continue
			}
			start := int64(len(c.encoding.Append([]byte(c.mark), declaration+before)))
			unit := c.encoding.unit()
			if n.Start() != start || n.End() != start+4*unit || n.Close() != start+2*unit {
				t.Errorf(
					"%s %q: <c/> at [%d,%d) closing at %d, want it at %d",
					c.encoding,
					c.name,
					n.Start(),
					n.End(),
					n.Close(),
					start,
				)
			}
			if tok.Encoding() != c.encoding {
				t.Errorf("Encoding() = %s, want %s", tok.Encoding(), c.encoding)
			}
			break
		}
		got, err := canonical(doc, Config{})
		if want := "<a b=\"" + c.text + "\">" + c.text + "&amp;<c></c>" + c.text + "</a>"; err != nil || string(got) != want {
			t.Errorf("%s %q: canonical form %q, %v, want %q", c.encoding, c.name, got, err, want)
		}
	}
}

// TestAppend writes a reference for a character that the encoding does not have.
func TestAppend(t *testing.T) {
	for encoding, want := range map[Encoding]string{
		UTF8: "aé€\u0081", ASCII: "a&#xe9;&#x20ac;&#x81;", ISO8859x1: "a\xE9&#x20ac;\x81",
		ISO8859x15: "a\xE9\xA4\x81", Windows1252: "a\xE9\x80&#x81;",
	} {
		if got := string(encoding.Append(nil, "aé€\u0081")); got != want {
			t.Errorf("%s: %q, want %q", encoding, got, want)
		}
	}
}

// TestWindow gives the same canonical form wherever the window ends.
func TestWindow(t *testing.T) {
	text, _ := generate(11)
	want, err := canonical([]byte(text), Config{Form: Form{Comments: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []Encoding{UTF8, UTF16LE} {
		mark := map[Encoding]string{UTF16LE: "\xFF\xFE"}[encoding]
		for i := range len(text) + 20 {
			pad := "<?p " + strings.Repeat("x", windowBytes-i-10) + "?>"
			got, err := canonical(encoding.Append([]byte(mark), pad+text), Config{Form: Form{Comments: true}})
			if err != nil {
				t.Fatalf("%d bytes in front of the end of the window: %v", i, err)
			}
			if full := pad + "\n" + string(want); string(got) != full {
				t.Fatalf("%d bytes in front of the end of the window: %s", i, difference(got, []byte(full)))
			}
		}
	}
}
