package pdf

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// seed adds the sample files of the repository and generated files of all kinds.
func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/encrypted/*.pdf")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("../pades/testdata/*.[pP]df")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(files, more...) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 40<<10 {
			f.Add(b)
		}
	}
	table := newBuilder().catalog()
	table.table("/ID[<01><02>]")
	f.Add(table.Bytes())
	packed := newBuilder()
	packed.objectStream(9, 1, "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>",
		"<</Type/Page/Parent 2 0 R>>")
	packed.xrefStream(10, "")
	f.Add(packed.Bytes())
}

// FuzzDocument opens a file, reads what signing needs of it, and updates it. A file that opens must
// open again with the update.
func FuzzDocument(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		page, err := d.Page(0)
		if err != nil {
			return
		}
		_, _ = d.Version()
		for n := range 20 {
			_, o, err := d.ByNumber(n)
			if stm, ok := o.(*Stream); ok && err == nil {
				if r, err := d.Data(stm); err == nil {
					_, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
				}
			}
		}
		var refs References
		if err := refs.Advance(t.Context(), d); err == nil && !refs.Reach([]int{page.Ref.Number}, nil)(page.Ref.Number) {
			t.Error("the page is not reached from itself")
		}
		u, err := NewUpdate(d)
		if err != nil {
			return
		}
		dict, err := u.EditDict(page.Ref)
		if err != nil {
			return
		}
		dict.Set("Fuzzed", Text("yes"))
		section, err := u.Bytes()
		if err != nil {
			return
		}
		again, err := Open(bytes.NewReader(append(b[:len(b):len(b)], section...)), int64(len(b)+len(section)))
		if err != nil {
			t.Fatalf("Open with the update: %v", err)
		}
		got, err := again.Dict(page.Ref)
		if s, ok := got.Get("Fuzzed").(String); err != nil || !ok || s.Value != "yes" {
			t.Errorf("the update is missing: %v, %v", got, err)
		}
	})
}

// FuzzObject checks that a parsed object, written and parsed again, is the same object.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		"<</A 1/B[true false null 1.5 -.5]/C(a\\)b\\101)/D<4142>/E 5 0 R/#46#20 /G>>", "[[[[1]]]]", "(unbalanced",
		"7 0 R", "<</A", "<~>", "%c\n1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parse(string(b) + " endobj")
		if err != nil {
			return
		}
		w := &writer{}
		if err := w.object(o); err != nil {
			t.Fatalf("write: %v", err)
		}
		again, err := parse(w.buf.String() + " endobj")
		if err != nil || !Equal(o, again) {
			t.Errorf("parse(%q) = %v, %v, want %v", w.buf.String(), again, err, o)
		}
	})
}

// FuzzXref reads cross-reference streams and tables with any content.
func FuzzXref(f *testing.F) {
	f.Add([]byte("xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \ntrailer<</Size 2/Root 1 0 R>>"))
	f.Add(
		[]byte(
			"9 0 obj<</Type/XRef/Size 3/W[1 2 1]/Index[0 1 2 1]/Root 1 0 R/Length 8>>stream\n" +
				"\x00\x00\x00\x00\x01\x00\x09\x00\nendstream endobj",
		),
	)
	f.Add([]byte("xref\n0 1\n0000000000 65535 f \ntrailer<</Size 2/Root 1 0 R/Prev 9/XRefStm 9>>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := append([]byte("%PDF-1.7\n"), b...)
		file = append(file, "\nstartxref\n9\n%%EOF"...)
		d, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for n := range 10 {
			_, _, _ = d.ByNumber(n)
		}
	})
}

// FuzzObjectStream reads objects out of object streams with any content.
func FuzzObjectStream(f *testing.F) {
	f.Add([]byte("4 0 5 2 1 2 "), 2, 8)
	f.Add([]byte("4 0 5 99 1 2 "), 2, 9)
	f.Add([]byte("4 0 1 0 R"), 1, 4)
	f.Fuzz(func(t *testing.T, data []byte, n, first int) {
		b := newBuilder().catalog()
		b.stream(9, "/Type/ObjStm/N "+string(Int(int64(n)))+"/First "+string(Int(int64(first))), data)
		b.packed[4], b.packed[5] = [2]int{9, 0}, [2]int{9, 1}
		b.xrefStream(10, "")
		d := open(t, b.Bytes())
		for _, number := range []int{4, 5} {
			_, _ = d.Get(Ref{number, 0})
		}
	})
}

// FuzzContent reads content streams.
func FuzzContent(f *testing.F) {
	f.Add([]byte("BT /F1 12 Tf (a) Tj [(b) -3 <43>] TJ ET"))
	f.Add([]byte("BI /W 1 ID \x00 EI Q"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := NewContent(bytes.NewReader(b))
		for range len(b) + 1 {
			if _, _, err := c.Next(); err != nil {
				return
			}
		}
		t.Error("more operators than bytes")
	})
}
