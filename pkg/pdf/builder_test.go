package pdf

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// builder writes PDF files for tests, correct or broken ones.
type builder struct {
	bytes.Buffer
	offsets map[int]int64  // of plain objects
	packed  map[int][2]int // object stream and place of compressed ones
}

func newBuilder() *builder {
	b := &builder{offsets: map[int]int64{}, packed: map[int][2]int{}}
	b.WriteString("%PDF-1.7\n")
	return b
}

// object writes a plain object.
func (b *builder) object(number int, body string) *builder {
	b.offsets[number] = int64(b.Len())
	fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", number, body)
	return b
}

// stream writes a stream object; dict holds further entries.
func (b *builder) stream(number int, dict string, data []byte) *builder {
	return b.object(number, fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data))
}

// objectStream writes an object stream. Its objects are numbered from first on.
func (b *builder) objectStream(number, first int, bodies ...string) *builder {
	var index, data strings.Builder
	for i, body := range bodies {
		fmt.Fprintf(&index, "%d %d ", first+i, data.Len())
		data.WriteString(body + " ")
		b.packed[first+i] = [2]int{number, i}
	}
	return b.stream(number, fmt.Sprintf("/Type/ObjStm/N %d/First %d/Filter/FlateDecode", len(bodies), index.Len()),
		deflate(index.String()+data.String()))
}

// catalog writes objects 1 to 3: catalog, page tree and one page.
func (b *builder) catalog() *builder {
	b.object(1, "<</Type/Catalog/Pages 2 0 R>>")
	b.object(2, "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>")
	return b.object(3, "<</Type/Page/Parent 2 0 R>>")
}

// top is one more than the highest number.
func (b *builder) top() int {
	top := 1
	for n := range b.offsets {
		top = max(top, n+1)
	}
	for n := range b.packed {
		top = max(top, n+1)
	}
	return top
}

// table ends the file with a cross-reference table and returns its offset. trailer contains further
// entries.
func (b *builder) table(trailer string) int64 {
	start := int64(b.Len())
	fmt.Fprintf(b, "xref\n0 %d\n", b.top())
	for n := range b.top() {
		if at, ok := b.offsets[n]; ok {
			fmt.Fprintf(b, "%010d 00000 n \n", at)
		} else {
			fmt.Fprintf(b, "%010d 65535 f \n", 0)
		}
	}
	fmt.Fprintf(b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", b.top(), trailer, start)
	return start
}

// xrefStream ends the file with a cross-reference stream, which is object number, and returns its
// offset.
func (b *builder) xrefStream(number int, dict string) int64 {
	start := int64(b.Len())
	b.offsets[number] = start
	var rows bytes.Buffer
	for n := range b.top() {
		var row [8]byte // type, four bytes, two bytes
		at, plain := b.offsets[n]
		place, packed := b.packed[n]
		switch {
		case plain:
			row[0] = 1
			binary.BigEndian.PutUint32(row[1:], uint32(at))
		case packed:
			row[0] = 2
			binary.BigEndian.PutUint32(row[1:], uint32(place[0]))
			binary.BigEndian.PutUint16(row[5:], uint16(place[1]))
		}
		rows.Write(row[:7])
	}
	b.stream(number, fmt.Sprintf("/Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Filter/FlateDecode%s", b.top(), dict),
		deflate(rows.String()))
	fmt.Fprintf(b, "startxref\n%d\n%%%%EOF\n", start)
	return start
}

func deflate(s string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

func open(t testing.TB, b []byte) *Document {
	t.Helper()
	d, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return d
}

// wantKind fails the test unless err is of the kind and its detail contains text.
func wantKind(t *testing.T, err error, kind signing.Kind, text string) {
	t.Helper()
	e := signing.AsError(err)
	if e == nil {
		t.Errorf("error = nil, want %s with %q", kind, text)
		return
	}
	if e.Kind != kind || !strings.Contains(e.Detail, text) {
		t.Errorf("error = %s %q, want %s with %q", e.Kind, e.Detail, kind, text)
	}
}

func wantDict(t *testing.T, d *Document, ref Ref) *Dict {
	t.Helper()
	dict, err := d.Dict(ref)
	if err != nil || dict == nil {
		t.Fatalf("Dict(%v) = %v, %v", ref, dict, err)
	}
	return dict
}
