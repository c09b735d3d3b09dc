package cades

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// zeros is a file of zeros. It counts how often it is read, to notice how much memory is in use
// meanwhile.
type zeros struct {
	size  int64
	reads atomic.Int64
	peak  atomic.Uint64 // bytes of memory from the operating system
}

func (z *zeros) Size() int64 { return z.size }

func (z *zeros) Close() error { return nil }

func (z *zeros) ReadAt(p []byte, off int64) (int, error) {
	if z.reads.Add(1)%1000 == 1 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		z.peak.Store(max(z.peak.Load(), m.HeapSys-m.HeapReleased))
	}
	if off >= z.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.size-off))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestLarge signs files whose lengths exceed every common width of numbers. The known digest is
// arbitrary, because the original is not read.
func TestLarge(t *testing.T) {
	for _, size := range []int64{1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 5 << 30, 1 << 40} {
		for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
			t.Run(fmt.Sprintf("%d %s", size, packaging), func(t *testing.T) {
				in := want{level: signing.LevelLTA, packaging: packaging}.input(nil)
				in.File = &zeros{size: size}
				joined := signLarge(t, in)
				m, err := readMessage(t.Context(), joined)
				if err != nil {
					t.Fatal(err)
				}
				if packaging == signing.Enveloping && m.size != size || m.encoding != DER {
					t.Errorf("the content has %d bytes, want %d; %s", m.size, size, m.encoding)
				}
				cut := shorter{joined}
				if _, err := readMessage(t.Context(), cut); signing.KindOf(err) != signing.KindDamaged {
					t.Errorf("cut off: error = %v", err)
				}
			})
		}
	}
}

// shorter is a file without its last byte.
type shorter struct{ signing.Sized }

func (s shorter) Size() int64 { return s.Sized.Size() - 1 }

// signLarge signs a file without reading the result.
func signLarge(t *testing.T, in signing.Input) *signing.Joined {
	t.Helper()
	p := pki()
	f := formatOf(p)
	prepared, err := f.Prepare(t.Context(), in, p.Credential)
	if err != nil {
		t.Fatal(err)
	}
	section, pieces, err := f.Embed(t.Context(), in, prepared, must(p.Sign(prepared.Digest)))
	if err != nil {
		t.Fatal(err)
	}
	joined, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// maxLargeMemory is how much memory the test of large files may use, in bytes. The engine itself
// needs less than a megabyte.
const maxLargeMemory = 32 << 20

// TestLargeHashed signs and verifies large files of which every byte is hashed. Memory must not
// depend on their size.
func TestLargeHashed(t *testing.T) {
	if os.Getenv("SIGNSTASH_LARGE") == "" {
		t.Skip("set SIGNSTASH_LARGE=1 to hash 25 GB of zeros")
	}
	for _, size := range []int64{1 << 30, 5 << 30} {
		for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
			t.Run(fmt.Sprintf("%d %s", size, packaging), func(t *testing.T) {
				in := want{level: signing.LevelLTA, packaging: packaging}.input(nil)
				file := &zeros{size: size}
				in.File, in.Midstate = file, nil
				joined := signLarge(t, in)
				var o VerifyOptions
				if packaging == signing.Detached {
					o.Content = file
				}
				r, err := Verify(t.Context(), joined, o)
				if err != nil || r.Verdict() != Valid || r.Signatures[0].Level != signing.LevelLTA || r.ContentSize != size {
					t.Errorf("Verify = %+v, %v", r, err)
				}
				t.Logf("%.1f MiB of memory", float64(file.peak.Load())/(1<<20))
				if file.peak.Load() > maxLargeMemory {
					t.Errorf("%d bytes of memory, at most %d are allowed", file.peak.Load(), maxLargeMemory)
				}
			})
		}
	}
}
