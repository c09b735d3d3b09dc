package oci

import (
	"net/http"
	"testing"
)

// answering is a transport that answers every request.
type answering struct{}

func (answering) RoundTrip(*http.Request) (*http.Response, error) { return &http.Response{}, nil }

// TestSchemes asks a registry without TLS only if this is allowed, and only at a loopback address.
func TestSchemes(t *testing.T) {
	for _, tt := range []struct {
		url       string
		plainHTTP bool
		want      bool
	}{
		{"https://registry.example.org/v2/", false, true},
		{"http://registry.example.org/v2/", false, false},
		{"http://registry.example.org/v2/", true, false},
		{"http://10.0.0.1:5000/v2/", true, false},
		{"http://127.0.0.1.example.org:5000/v2/", true, false},
		{"http://127.0.0.1:5000/v2/", false, false},
		{"http://127.0.0.1:5000/v2/", true, true},
		{"http://[::1]:5000/v2/", true, true},
		{"http://localhost:5000/v2/", true, true},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = schemes{tt.plainHTTP, answering{}}.RoundTrip(req)
		if got := err == nil; got != tt.want {
			t.Errorf("%s with plainHTTP %v: asked = %v, %v; want %v", tt.url, tt.plainHTTP, got, err, tt.want)
		}
	}
}
