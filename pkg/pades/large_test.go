package pades

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// sparseFile is a file of zeros, except for its parts.
type sparseFile struct {
	parts map[int64][]byte
	size  int64
}

func (f *sparseFile) Size() int64 { return f.size }

func (f *sparseFile) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.size-off))
	clear(p[:n])
	for at, b := range f.parts {
		if at < off+int64(n) && off < at+int64(len(b)) {
			copy(p[max(0, at-off):n], b[max(0, off-at):])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// sparseDocument returns a PDF of the given size whose objects are at its end.
func sparseDocument(size int64, stream bool) *sparseFile {
	base := size - 3000
	var tail bytes.Buffer
	var offsets []int64
	for i, body := range []string{"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 9 9]>>", "<</Type/Page/Parent 2 0 R>>"} {
		offsets = append(offsets, base+int64(tail.Len()))
		fmt.Fprintf(&tail, "%d 0 obj %s endobj\n", i+1, body)
	}
	start := base + int64(tail.Len())
	if stream {
		var rows []byte
		for _, o := range append(offsets, start) {
			rows = append(append(rows, 1), binary.BigEndian.AppendUint64(nil, uint64(o))[2:]...)
		}
		fmt.Fprintf(
			&tail, "4 0 obj <</Type/XRef/Size 5/W[1 6 0]/Index[1 4]/Root 1 0 R/Length %d>>stream\n%s\nendstream endobj\n",
			len(rows), rows,
		)
	} else {
		tail.WriteString("xref\n1 3\n")
		for _, o := range offsets {
			fmt.Fprintf(&tail, "%010d 00000 n \n", o)
		}
		tail.WriteString("trailer <</Size 4/Root 1 0 R>>\n")
	}
	fmt.Fprintf(&tail, "startxref\n%d\n%%%%EOF\n", start)
	return &sparseFile{size: size, parts: map[int64][]byte{0: []byte("%PDF-1.7\n"), base: tail.Bytes()}}
}

// TestLarge signs documents whose offsets exceed every common width of numbers. The state of the
// hash is arbitrary, because the bytes of the original are not read.
func TestLarge(t *testing.T) {
	k := rsaKey()
	for _, size := range []int64{99_999_000, 100_000_500, 999_999_000, 1_000_000_500, 1<<31 - 2000, 1<<31 + 5000,
		1<<32 - 2000, 1<<32 + 5000, 9_999_960_000} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, stream %v", size, stream), func(t *testing.T) {
				f := sparseDocument(size, stream)
				in := input(t, []byte("anything"), signing.LevelB)
				in.File = f
				p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
				if err != nil {
					t.Fatal(err)
				}
				section, _, err := (&Format{}).Embed(context.Background(), in, p, k.sign(t, p.Digest))
				if err != nil {
					t.Fatal(err)
				}
				f.parts[size] = section
				f.size += int64(len(section))
				doc, err := pdf.Open(f, f.size)
				if err != nil {
					t.Fatalf("open it signed: %v", err)
				}
				// Prepare would read the whole document here, and refuse the signature, which is over any other
				// bytes.
				if _, err := inspect(t.Context(), doc, ""); err != nil {
					t.Errorf("inspect it signed: %v", err)
				}
			})
		}
	}
}

// TestLargeHashed reads a whole document of more than 2^32 bytes, to sign it without a stored state
// of the hash, and to verify it.
func TestLargeHashed(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 13 GB of zeros")
	}
	k := rsaKey()
	f := sparseDocument(1<<32+5000, true)
	in := input(t, nil, signing.LevelB)
	in.File, in.Midstate = f, nil
	p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := (&Format{}).Embed(context.Background(), in, p, k.sign(t, p.Digest))
	if err != nil {
		t.Fatal(err)
	}
	f.parts[f.size] = section
	f.size += int64(len(section))
	r, err := Verify(context.Background(), f, f.size, VerifyOptions{})
	if err != nil || !r.Valid() || !r.Signatures[0].Whole {
		t.Errorf("Verify = %+v, %v, want a valid signature over the whole", r, err)
	}
}
