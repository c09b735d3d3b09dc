package pdf

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestOpenKinds(t *testing.T) {
	table := newBuilder().catalog()
	table.table("")
	stream := newBuilder().catalog()
	stream.xrefStream(4, "")
	packed := newBuilder()
	packed.objectStream(9, 1, "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>",
		"<</Type/Page/Parent 2 0 R>>")
	packed.xrefStream(10, "")
	short := strings.ReplaceAll(table.String(), " n \n", " n\n")
	short = strings.ReplaceAll(short, " f \n", " f\n")
	cr := strings.ReplaceAll(table.String(), "f \n", "f \r")
	cr = strings.ReplaceAll(cr, "n \n", "n \r")
	trailer := strings.LastIndex(table.String(), "trailer")
	uneven := strings.Replace(table.String()[:trailer], " n \n", " n\n", 1) + table.String()[trailer:]
	junk := strings.Replace(table.String(), " f \n", " f \n\n\n", 1)
	padded := strings.ReplaceAll(table.String(), "\n0000000", "\n       ")
	counted := strings.Replace(table.String(), "xref\n0 4\n", "xref\n1 4\n", 1)
	far := newBuilder().catalog()
	at := far.Len()
	far.WriteString(strings.Repeat(" ", 100))
	far.table("")
	for _, tt := range []struct {
		name, file string
	}{
		{"table", table.String()},
		{"table of 19 byte entries", short},
		{"table with CR", cr},
		{"table of uneven entries", uneven},
		{"table with empty lines", junk},
		{"table padded with spaces", padded},
		{"table counted from 1", counted},
		{"head of the free list of generation 65536", strings.ReplaceAll(table.String(), "65535 f", "65536 f")},
		{"white space before the table", far.String()[:strings.LastIndex(far.String(), "startxref")] +
			fmt.Sprintf("startxref\n%d\n%%%%EOF\n", at)},
		{"/Prev 0", strings.Replace(table.String(), "/Root", "/Prev 0/Root", 1)},
		{"stream", stream.String()},
		{"object stream", packed.String()},
		{"no end of line", strings.TrimRight(table.String(), "\n")},
		{"zeros behind", table.String() + strings.Repeat("\x00", 5000)},
		{"garbage behind", table.String() + strings.Repeat("garbage ", 100)},
		{"bytes before the header", "mail header\r\n" + table.String()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := open(t, []byte(tt.file)).Page(0)
			if err != nil || p.Ref != (Ref{3, 0}) || p.MediaBox != (Rectangle{0, 0, 595, 842}) {
				t.Errorf("Page(0) = %+v, %v, want page 3", p, err)
			}
		})
	}
}

// TestHybrid checks that the entries of /XRefStm come after the table of their section and before
// older sections.
func TestHybrid(t *testing.T) {
	b := newBuilder().catalog()
	b.object(4, "(old)").object(5, "(table)")
	prev := b.table("")
	b.objectStream(6, 4, "(hidden)", "(not this)")
	var rows bytes.Buffer
	rows.Write([]byte{2, 0, 0, 0, 6, 0, 0, 2, 0, 0, 0, 6, 0, 1})
	hidden := b.Len()
	b.stream(7, "/Type/XRef/Size 8/W[1 4 2]/Index[4 2]/Root 1 0 R", rows.Bytes())
	start := b.Len()
	fmt.Fprintf(b, "xref\n4 3\n0000000000 00000 f \n%010d 00000 n \n%010d 00000 n \n", b.offsets[5], b.offsets[6])
	fmt.Fprintf(b, "trailer\n<</Size 8/Root 1 0 R/Prev %d/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n", prev, hidden, start)
	d := open(t, b.Bytes())
	for n, want := range map[int]string{4: "hidden", 5: "table"} {
		o, err := d.Get(Ref{n, 0})
		if s, _ := o.(String); err != nil || s.Value != want {
			t.Errorf("object %d = %v, %v, want %s", n, o, err, want)
		}
	}
}

// TestHybridNamedTwice opens a file with an update that copied /XRefStm into its trailer. The
// stream is not part of the chain of /Prev.
func TestHybridNamedTwice(t *testing.T) {
	b := newBuilder().catalog()
	b.objectStream(6, 4, "(hidden)")
	hidden := b.Len()
	b.stream(7, "/Type/XRef/Size 8/W[1 4 2]/Index[4 1]/Root 1 0 R", []byte{2, 0, 0, 0, 6, 0, 0})
	delete(b.packed, 4)
	prev := b.table(fmt.Sprintf("/XRefStm %d", hidden))
	start := b.Len()
	fmt.Fprintf(b, "xref\n0 0\ntrailer\n<</Size 8/Root 1 0 R/Prev %d/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n",
		prev, hidden, start)
	d := open(t, b.Bytes())
	o, err := d.Get(Ref{4, 0})
	if s, _ := o.(String); err != nil || s.Value != "hidden" || len(d.xref.sections) != 2 {
		t.Errorf("object 4 = %v, %v in %d revisions, want hidden in 2", o, err, len(d.xref.sections))
	}
}

func TestOpenRefuses(t *testing.T) {
	good := newBuilder().catalog()
	good.table("")
	file := good.String()
	stream := func(dict string) string {
		b := newBuilder().catalog()
		at := b.Len()
		b.stream(4, dict, bytes.Repeat([]byte{1}, 70))
		fmt.Fprintf(b, "startxref\n%d\n%%%%EOF\n", at)
		return b.String()
	}
	for _, tt := range []struct {
		name, file string
		kind       signing.Kind
		text       string
	}{
		{"empty", "", signing.KindNotDocument, "no %PDF-"},
		{"not a PDF", "PK\x03\x04 something", signing.KindNotDocument, "no %PDF-"},
		{"header alone", "%PDF-1.4\n", signing.KindDamaged, "startxref"},
		{"cut off", file[:len(file)/2], signing.KindDamaged, "startxref"},
		{"startxref without number", file[:strings.LastIndex(file, "startxref")+9], signing.KindDamaged,
			"not followed by a number"},
		{"startxref elsewhere", strings.Replace(file, "xref\n0", "xxef\n0", 1), signing.KindDamaged,
			"no cross-reference section"},
		{"startxref too far", file[:strings.LastIndex(file, "startxref")] + "startxref\n99999\n%%EOF",
			signing.KindDamaged, "99999"},
		{"startxref negative", file[:strings.LastIndex(file, "startxref")] + "startxref\n-5\n%%EOF", signing.KindDamaged,
			"-5"},
		{"no trailer", strings.Replace(file, "trailer", "tailer!", 1), signing.KindDamaged, "broken"},
		{"no root", strings.Replace(file, "/Root", "/Toor", 1), signing.KindDamaged, "catalog"},
		{"entry without offset", strings.Replace(file, "0000000009 00000 n \n", "00000 n \n", 1), signing.KindDamaged,
			"broken"},
		{"uneven and long", strings.Replace(strings.Replace(file, "0 4\n", "0 4000000\n", 1), "65535 f \n",
			"65535 f     \n", 1), signing.KindDamaged, "beyond"},
		{"generation in use too great", strings.Replace(strings.Replace(file, "00000 n \n", "65536 n\n", 1), "65535 f \n",
			"65535 f     \n", 1), signing.KindDamaged, "broken"},
		{"huge subsection", strings.Replace(file, "0 4\n", "0 9999999\n", 1), signing.KindDamaged, "broken"},
		{"long subsection", strings.Replace(file, "0 4\n", "0 8000000\n", 1), signing.KindDamaged, "beyond"},
		{"listed twice", strings.Replace(file, "trailer", "1 1\n0000000009 00000 n \ntrailer", 1), signing.KindDamaged,
			"twice"},
		{"loop", strings.Replace(file, "/Root", fmt.Sprintf("/Prev %d/Root", strings.Index(file, "xref\n")), 1),
			signing.KindDamaged, "loop"},
		{"prev no number", strings.Replace(file, "/Root", "/Prev/Name/Root", 1), signing.KindDamaged, "/Prev"},
		{"huge index", stream("/Type/XRef/Size 10/W[1 4 2]/Root 1 0 R/Index[0 2000000000]"), signing.KindDamaged, "/Index"},
		{"index beyond data", stream("/Type/XRef/Size 10/W[1 4 2]/Root 1 0 R/Index[0 8000000]"), signing.KindTooComplex,
			"cross-reference streams"},
		{"index somewhat beyond data", stream("/Type/XRef/Size 10/W[1 4 2]/Root 1 0 R/Index[0 1000]"),
			signing.KindDamaged, "dictionary says"},
		{"huge W", stream("/Type/XRef/Size 10/W[1 400 2]/Root 1 0 R"), signing.KindDamaged, "/W"},
		{"short W", stream("/Type/XRef/Size 10/W[1 4]/Root 1 0 R"), signing.KindDamaged, "/W"},
		{"no size", stream("/Type/XRef/W[1 4 2]/Root 1 0 R"), signing.KindDamaged, "/Size"},
		{"other type", stream("/Type/Other/Size 10/W[1 4 2]/Root 1 0 R"), signing.KindDamaged, "no cross-reference section"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(strings.NewReader(tt.file), int64(len(tt.file)))
			wantKind(t, err, tt.kind, tt.text)
		})
	}
}

// TestObjectsRefused checks that reading an object fails, instead of guessing, if it is not what
// the cross-reference says.
func TestObjectsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(b *builder)
		text string
	}{
		{"offset of another object", func(b *builder) { b.object(4, "1"); b.offsets[4] = b.offsets[3] },
			"but object 3 is there"},
		{"offset between objects", func(b *builder) { b.object(4, "1"); b.offsets[4] = 2 }, "no object"},
		{"offset beyond the end", func(b *builder) { b.offsets[4] = 1 << 30 }, "but the file has"},
		{"length too long", func(b *builder) { b.object(4, "<</Length 5000>>stream\nabc\nendstream") }, "/Length"},
		{"length too short", func(b *builder) { b.object(4, "<</Length 1>>stream\nabc\nendstream") }, "/Length says"},
		{"length negative", func(b *builder) { b.object(4, "<</Length -1>>stream\nabc\nendstream") }, "/Length"},
		{"length of itself", func(b *builder) { b.object(4, "<</Length 4 0 R>>stream\nabc\nendstream") }, "/Length"},
		{"length is a stream", func(b *builder) {
			b.object(4, "<</Length 5 0 R>>stream\nabc\nendstream").object(5, "<</Length 4 0 R>>stream\nabc\nendstream")
		}, "/Length"},
		{"no endobj", func(b *builder) { b.offsets[4] = int64(b.Len()); b.WriteString("4 0 obj\n<<>>\n") }, "no end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder().catalog()
			tt.make(b)
			b.table("")
			_, err := open(t, b.Bytes()).Get(Ref{4, 0})
			wantKind(t, err, signing.KindDamaged, tt.text)
		})
	}
}

func TestGetNull(t *testing.T) {
	b := newBuilder().catalog()
	b.object(5, "<</A 5 1 R>>")
	b.table("")
	d := open(t, b.Bytes())
	for _, ref := range []Ref{{4, 0}, {5, 1}, {99, 0}} {
		if o, err := d.Get(ref); o != nil || err != nil {
			t.Errorf("Get(%v) = %v, %v, want null", ref, o, err)
		}
	}
}

func TestReferenceLoop(t *testing.T) {
	b := newBuilder().catalog()
	b.object(4, "5 0 R").object(5, "4 0 R")
	b.table("")
	_, err := open(t, b.Bytes()).Get(Ref{4, 0})
	wantKind(t, err, signing.KindTooComplex, "references")
}

func TestObjectStreamsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(b *builder)
		text string
		kind signing.Kind
	}{
		{"contains itself", func(b *builder) { b.packed[5] = [2]int{5, 0}; b.packed[4] = [2]int{5, 0} }, "missing",
			signing.KindDamaged},
		{"no stream", func(b *builder) { b.object(5, "<<>>"); b.packed[4] = [2]int{5, 0} }, "not an object stream",
			signing.KindDamaged},
		{"wrong place", func(b *builder) { b.objectStream(5, 4, "1"); b.packed[4] = [2]int{5, 7} }, "not at its place",
			signing.KindDamaged},
		{"another object", func(b *builder) { b.objectStream(5, 6, "1"); b.packed[4] = [2]int{5, 0} }, "not at its place",
			signing.KindDamaged},
		{"huge N", func(b *builder) {
			b.stream(5, "/Type/ObjStm/N 2000000000/First 4", []byte("4 0 1"))
			b.packed[4] = [2]int{5, 0}
		}, "/N or /First", signing.KindDamaged},
		{"First beyond data", func(b *builder) {
			b.stream(5, "/Type/ObjStm/N 1/First 400", []byte("4 0 1"))
			b.packed[4] = [2]int{5, 0}
		}, "/N or /First", signing.KindDamaged},
		{"offset beyond data", func(b *builder) {
			b.stream(5, "/Type/ObjStm/N 1/First 6", []byte("4 100 1"))
			b.packed[4] = [2]int{5, 0}
		}, "too short", signing.KindDamaged},
		{"bomb", func(b *builder) {
			b.stream(5, "/Type/ObjStm/N 1/First 4/Filter/FlateDecode", deflate("4 0 "+strings.Repeat(" ", maxObjStmBytes)+"1"))
			b.packed[4] = [2]int{5, 0}
		}, "decodes to more", signing.KindTooComplex},
		{"length in itself", func(b *builder) {
			b.objectStream(5, 4, "1", "2", "20")
			s := strings.Replace(b.String(), "/Length", "/Length 6 0 R/Len", 1)
			b.Reset()
			b.WriteString(s)
			b.packed[6] = [2]int{5, 2}
		}, "/Length", signing.KindDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuilder().catalog()
			tt.make(b)
			b.xrefStream(9, "")
			_, err := open(t, b.Bytes()).Get(Ref{4, 0})
			wantKind(t, err, tt.kind, tt.text)
		})
	}
}
