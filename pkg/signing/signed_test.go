package signing_test

import (
	"io"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestSignedReadAt: ReadAt of a signed document returns the right bytes at every offset and length,
// also across the boundary of the original and the section.
func TestSignedReadAt(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		d := h.check(h.mustSubmit("a", "r1", "one document"), signing.StatusExecuted, "s")[0]
		f, err := h.OpenSigned(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || int64(len(all)) != d.SignedSize() || !strings.HasPrefix(string(all), "one document") {
			t.Fatalf("signed document = %q, %v", all, err)
		}
		for off := range all {
			for n := 1; n <= len(all)-off; n++ {
				p := make([]byte, n)
				got, err := f.ReadAt(p, int64(off))
				if got != n || err != nil && err != io.EOF || string(p) != string(all[off:off+n]) {
					t.Fatalf("ReadAt(%d bytes, %d) = %d, %v, %q", n, off, got, err, p)
				}
			}
		}
		if n, err := f.ReadAt(make([]byte, 10), f.Size()-3); n != 3 || err != io.EOF {
			t.Errorf("ReadAt over the end = %d, %v, want 3, EOF", n, err)
		}
	})
}
