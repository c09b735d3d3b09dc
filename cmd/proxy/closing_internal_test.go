package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestClosing checks that connections close with their next answer once the process was asked to
// stop, and not earlier.
func TestClosing(t *testing.T) {
	p := &phase{}
	h := p.closing(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, draining := range []bool{false, true} {
		p.draining.Store(draining)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := w.Header().Get("Connection") == "close"; got != draining || w.Code != http.StatusNoContent {
			t.Errorf("while draining is %v the answer %d closes its connection: %v", draining, w.Code, got)
		}
	}
}
