package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// pieces reads texts and runs of base64 one after the other, without holding the runs.
type pieces struct {
	parts []any // string, or int64: that number of characters of base64
}

var lettersA = bytes.Repeat([]byte("A"), 64<<10)

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.parts) > 0 {
		switch part := p.parts[0].(type) {
		case string:
			n := copy(b, part)
			if p.parts[0] = part[n:]; n > 0 {
				return n, nil
			}
		case int64:
			n := copy(b[:min(int64(len(b)), part)], lettersA)
			if p.parts[0] = part - int64(n); n > 0 {
				return n, nil
			}
		}
		p.parts = p.parts[1:]
	}
	return 0, io.EOF
}

// large is a request with that number of documents, each with size characters of base64.
func large(reference string, documents int, size int64) io.Reader {
	p := &pieces{parts: []any{fmt.Sprintf(`{"externalReference":%q,"description":"d","documents":[`, reference)}}
	for i := range documents {
		before, after, _ := strings.Cut(document(fmt.Sprint("d", i), ""), `"base64Content":"`)
		if i > 0 {
			before = "," + before
		}
		p.parts = append(p.parts, before+`"base64Content":"`, size, after)
	}
	p.parts = append(p.parts, "]}")
	return p
}

// largeForm is the same as multipart/form-data.
func largeForm(reference string, documents int, size int64) io.Reader {
	p := &pieces{parts: []any{part("signRequest", multipartRequest(reference, documents))}}
	for range documents {
		before, after, _ := strings.Cut(part("files", "|"), "|")
		p.parts = append(p.parts, before, size, after)
	}
	p.parts = append(p.parts, "--cut--\r\n")
	return p
}

// sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
	n      int64
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
}

func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return len(p), nil
}

// TestMemoryDoesNotGrowWithDocuments sends 500 MB as 25 documents and gets them back three times,
// with little more allocated in all than for 5 MB.
func TestMemoryDoesNotGrowWithDocuments(t *testing.T) {
	const documents, small = 25, 200_000
	big := int64(26_800_000) // characters: 25 x 20 MB
	if testing.Short() || underRace {
		big /= 10
	}
	tests := []struct {
		name, path string
		body       func(reference string, documents int, size int64) io.Reader
		header     map[string]string
	}{
		{"base64", "document/sign/base64", large, nil},
		{"multipart", "document/sign", largeForm, formType},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, func(h *harness) { h.store.hollow = true })
			run := func(reference string, size int64) (allocated uint64) {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				out := &sink{header: http.Header{}}
				h.api.Handler().ServeHTTP(out,
					request{path: tt.path, body: tt.body(reference, documents, size), header: tt.header}.build())
				h.get(out, reference)
				h.zip(out)
				runtime.ReadMemStats(&after)
				if min := documents * size * 2 / 3; out.status != http.StatusOK || out.n < min {
					t.Fatalf("answer = %d with %d bytes, want at least %d", out.status, out.n, min)
				}
				return after.TotalAlloc - before.TotalAlloc
			}
			run("warm", small) // pools and the like
			few, many := run("few", small), run("many", big)
			// What may differ are pooled buffers that a collection in between took away.
			if many > few+16<<20 {
				t.Errorf("%d bytes of base64 allocated %d bytes, %d allocated %d", documents*big, many, documents*small, few)
			}
			t.Logf("allocated in all: %d KiB for %d MB, %d KiB for %d MB", few>>10, documents*small/1_000_000, many>>10,
				documents*big/1_000_000)
		})
	}
}

// get reads the operation once more, with its content.
func (h *harness) get(out http.ResponseWriter, reference string) {
	h.api.Handler().ServeHTTP(out, request{path: "operation/sign/detail/withExternalReference/" + reference}.build())
}

// zip reads the archive of the first operation.
func (h *harness) zip(out http.ResponseWriter) {
	h.api.Handler().ServeHTTP(out, request{path: "operation/sign/detail/1024000/documents"}.build())
}
