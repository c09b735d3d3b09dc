package main_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestHeaderAndPathLimits: the head of a request, path included, has a bound of 16 KiB that no real
// one comes near.
func TestHeaderAndPathLimits(t *testing.T) {
	p := newTestProxy(t).start(t)
	const references = "operation/status/withExternalReference/"
	for _, tt := range []struct {
		name         string
		path, header int
		want         int
	}{
		{"a long path", 12_000, 1, http.StatusNotFound}, // of an operation that is not there
		{"a long header", 1, 12_000, http.StatusNotFound},
		{"a path beyond the bound", 20_000, 1, http.StatusRequestHeaderFieldsTooLarge},
		{"a header beyond the bound", 1, 20_000, http.StatusRequestHeaderFieldsTooLarge},
		{"both together", 9_000, 9_000, http.StatusRequestHeaderFieldsTooLarge},
	} {
		r, err := http.NewRequestWithContext(
			t.Context(),
			http.MethodGet,
			p.URL+apiPath+references+strings.Repeat("x", tt.path),
			http.NoBody,
		)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Long", strings.Repeat("x", tt.header))
		if got := exchange(t, r).status; got != tt.want {
			t.Errorf("%s = %d, want %d", tt.name, got, tt.want)
		}
	}
}
