package pades

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

// maker writes small PDFs. A test chooses the objects, as a map from number to body.
type maker struct {
	objects map[int]string
	packed  bool   // use a cross-reference stream, and an object stream for all other objects
	trailer string // further entries
	header  string // empty = %PDF-1.7
}

// onePage returns a document with a catalog, a page tree and a page. The arguments are added to the
// catalog and to the page.
func onePage(catalog, page string) maker {
	return maker{objects: map[int]string{
		1: "<</Type/Catalog/Pages 2 0 R" + catalog + ">>",
		2: "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>",
		3: "<</Type/Page/Parent 2 0 R" + page + ">>",
	}}
}

func (m maker) with(number int, body string) maker {
	objects := map[int]string{number: body}
	for n, b := range m.objects {
		if n != number {
			objects[n] = b
		}
	}
	m.objects = objects
	return m
}

func (m maker) bytes() []byte {
	var b bytes.Buffer
	if m.header == "" {
		m.header = "%PDF-1.7"
	}
	b.WriteString(m.header + "\n")
	var numbers []int
	for n := range m.objects {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	if m.packed {
		return m.pack(&b, numbers)
	}
	offsets := map[int]int{}
	for _, n := range numbers {
		offsets[n] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, m.objects[n])
	}
	size, start := numbers[len(numbers)-1]+1, b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n", size)
	for n := range size {
		if at, ok := offsets[n]; ok {
			fmt.Fprintf(&b, "%010d 00000 n \n", at)
		} else {
			fmt.Fprintf(&b, "%010d 65535 f \n", 0)
		}
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", size, m.trailer, start)
	return b.Bytes()
}

// pack writes an object stream and a cross-reference stream after the plain streams.
func (m maker) pack(b *bytes.Buffer, numbers []int) []byte {
	stream := numbers[len(numbers)-1] + 1
	rows := make([][7]byte, stream+2)
	plain := func(n int) {
		rows[n][0] = 1
		binary.BigEndian.PutUint32(rows[n][1:], uint32(b.Len()))
	}
	var index, data strings.Builder
	packed := 0
	for _, n := range numbers {
		if strings.Contains(m.objects[n], "endstream") {
			plain(n)
			fmt.Fprintf(b, "%d 0 obj\n%s\nendobj\n", n, m.objects[n])
			continue
		}
		fmt.Fprintf(&index, "%d %d ", n, data.Len())
		data.WriteString(m.objects[n] + "\n")
		rows[n] = [7]byte{2, 0, 0, 0, byte(stream), 0, byte(packed)}
		packed++
	}
	plain(stream)
	fmt.Fprintf(b, "%d 0 obj\n<</Type/ObjStm/N %d/First %d/Length %d>>\nstream\n%s%s\nendstream\nendobj\n",
		stream, packed, index.Len(), index.Len()+data.Len(), index.String(), data.String())
	start := b.Len()
	plain(stream + 1)
	fmt.Fprintf(b, "%d 0 obj\n<</Type/XRef/Size %d/W[1 4 2]/Root 1 0 R%s/Length %d>>\nstream\n", stream+1, len(rows),
		m.trailer, 7*len(rows))
	for _, r := range rows {
		b.Write(r[:])
	}
	fmt.Fprintf(b, "\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", start)
	return b.Bytes()
}

// revise appends a revision with the changes that edit makes.
func revise(t testing.TB, file []byte, edit func(*pdf.Update)) []byte {
	t.Helper()
	doc := openPDF(t, file)
	u, err := pdf.NewUpdate(doc)
	if err != nil {
		t.Fatal(err)
	}
	edit(u)
	section, err := u.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(file), section...)
}

func openPDF(t testing.TB, file []byte) *pdf.Document {
	t.Helper()
	doc, err := pdf.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatalf("open PDF: %v", err)
	}
	return doc
}

func dictOf(t testing.TB, doc *pdf.Document, o pdf.Object) *pdf.Dict {
	t.Helper()
	d, err := doc.Dict(o)
	if err != nil {
		t.Fatalf("read dictionary: %v", err)
	}
	return d
}
