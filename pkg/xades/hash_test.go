package xades

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// TestBlockHash writes in parts of different sizes, some of them as blocks that the hash takes
// over. The result must be the hash of all of them, also if it is asked for more than once.
func TestBlockHash(t *testing.T) {
	data := make([]byte, hashAloneBytes+5*hashBlockBytes+123)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for _, total := range []int{0, 1000, hashAloneBytes, hashAloneBytes + 1, hashAloneBytes + hashBlockBytes, len(data)} {
		for _, part := range []int{777, hashBlockBytes, 3 * hashBlockBytes} {
			b := newBlockHash(sha256.New())
			block := make([]byte, 0, 777)
			for i, rest := 0, data[:total]; len(rest) > 0; i++ {
				n := min(part, len(rest))
				if i%3 > 0 {
					n = min(n, cap(block))
					block = b.WriteBlock(append(block, rest[:n]...))
					if len(block) > 0 || cap(block) == 0 {
						t.Fatalf("WriteBlock returns %d bytes with room for %d", len(block), cap(block))
					}
					rest = rest[n:]
					continue
				}
				if written, err := b.Write(rest[:n]); written != n || err != nil {
					t.Fatalf("Write = %d, %v", written, err)
				}
				rest = rest[n:]
			}
			want := sha256.Sum256(data[:total])
			for range 2 {
				if got := b.finish().Sum(nil); !bytes.Equal(got, want[:]) {
					t.Errorf("%d bytes in parts of %d: %x, want %x", total, part, got, want)
				}
			}
		}
	}
}
