package main_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestHeaderAndPathLimits checks that the head of a request, including the path, is limited to 16
// KiB. Real requests are far below this limit.
func TestHeaderAndPathLimits(t *testing.T) {
	t.Parallel()
	p := newTestProxy(t).start(t)
	const references = "operation/status/withExternalReference/"
	for _, tt := range []struct {
		name         string
		path, header int
		want         int
	}{
		{"a long path", 12_000, 1, http.StatusNotFound}, // an operation that does not exist
		{"a long header", 1, 12_000, http.StatusNotFound},
		{"a path beyond the bound", 20_000, 1, http.StatusRequestHeaderFieldsTooLarge},
		{"a header beyond the bound", 1, 20_000, http.StatusRequestHeaderFieldsTooLarge},
		{"both together", 9_000, 9_000, http.StatusRequestHeaderFieldsTooLarge},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
			p.URL+apiPath+references+strings.Repeat("x", tt.path), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Long", strings.Repeat("x", tt.header))
		if got := exchange(t, r).status; got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
}
