package pades

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// largeDocument is a PDF of about size bytes with that many small objects and one page.
func largeDocument(size, objects int) []byte {
	var b bytes.Buffer
	offsets := []int{0}
	add := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, format, args...)
	}
	b.WriteString("%PDF-1.7\n")
	add("1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n")
	add("2 0 obj\n<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>\nendobj\n")
	add("3 0 obj\n<</Type/Page/Parent 2 0 R>>\nendobj\n")
	filler := bytes.Repeat([]byte("x"), max(0, size/objects-60))
	for i := 4; i <= objects; i++ {
		add("%d 0 obj\n<</Length %d>>\nstream\n%s\nendstream\nendobj\n", i, len(filler), filler)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets))
	for _, o := range offsets[1:] {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets), start)
	return b.Bytes()
}

// BenchmarkSign compares signing, without the remote key, with hashing the same bytes.
func BenchmarkSign(b *testing.B) {
	k := rsaKey()
	for _, c := range []struct {
		name          string
		size, objects int
	}{{"10KB", 10 << 10, 20}, {"200KB", 200 << 10, 100}, {"20MB", 20 << 20, 1000},
		{"29MB_32000objects", 29 << 20, 32000}} {
		original := largeDocument(c.size, c.objects)
		in := input(b, original, signing.LevelB)
		p, err := (&Format{}).Prepare(context.Background(), in, k.credential)
		if err != nil {
			b.Fatal(err)
		}
		value := k.sign(b, p.Digest)
		b.Run(c.name+"/hash", func(b *testing.B) {
			for b.Loop() {
				sha256.Sum256(original)
			}
		})
		b.Run(c.name+"/prepare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (&Format{}).Prepare(context.Background(), in, k.credential); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/embed", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := (&Format{}).Embed(context.Background(), in, p, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
