package xades

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// endless is a document that repeats a line. It takes no memory, however long it is.
type endless struct {
	head, line, tail string
	lines            int64
}

func (e *endless) Size() int64 {
	return int64(len(e.head)) + e.lines*int64(len(e.line)) + int64(len(e.tail))
}

func (e *endless) Close() error { return nil }

// ReadAt implements io.ReaderAt.
func (e *endless) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		rest := e.from(at + int64(n))
		if rest == "" {
			return n, io.EOF
		}
		n += copy(p[n:], rest)
	}
	return n, nil
}

// from returns a part of the document that starts at the offset, or "" at its end.
func (e *endless) from(at int64) string {
	if at < int64(len(e.head)) {
		return e.head[at:]
	}
	at -= int64(len(e.head))
	if at < e.lines*int64(len(e.line)) {
		return e.line[at%int64(len(e.line)):]
	}
	at -= e.lines * int64(len(e.line))
	return e.tail[min(at, int64(len(e.tail))):]
}

// TestMemory signs documents of 2 and of 32 MB. The large one may take no more memory.
func TestMemory(t *testing.T) {
	k := testKeys()["P-256"]
	for i := range largeKinds {
		kind := &largeKinds[i]
		allocated := func(size int) uint64 {
			doc := &endless{head: kind.head, line: strings.Repeat(fmt.Sprintf(kind.line, 1234, 5, 678), 20), tail: kind.tail}
			doc.lines = int64(size / len(doc.line))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := signFile(t.Context(), doc, k); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		small, large := allocated(2_000_000), allocated(32_000_000)
		if large > small+1<<20 || large > 4<<20 {
			t.Errorf("%s: %d bytes are allocated for 2 MB, %d for 32 MB", kind.name, small, large)
		}
	}
}
