package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRemovedWhileRead checks that an answer breaks off if its operation is removed between two
// pages of documents. It must not end as if it were complete.
func TestRemovedWhileRead(t *testing.T) {
	contents := make([]string, 150)
	for i := range contents {
		contents[i] = "%PDF " + fmt.Sprint(i) + strings.Repeat("x", 1000)
	}
	for _, path := range []string{
		"operation/sign/detail/%s/contentInResponse/True",
		"operation/sign/detail/withExternalReference/r",
		"operation/sign/detail/%s/documents",
	} {
		held := 0
		h := start(t, func(h *harness) {
			h.cfg.Reading = func(signing.ID) func() { held++; return func() { held-- } }
		})
		made := h.do(request{path: "document/sign/base64", text: signRequest("r", contents...)})
		made.is(http.StatusOK, nil)
		pages := 0
		h.store.turn = func(id signing.ID, from int) {
			if pages++; held != 1 {
				t.Errorf("%s: documents from %d on are read while %d readers are known, want 1", path, from, held)
			}
			if from > 0 {
				if err := h.store.Remove(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		}
		if got := breaksOff(h, request{path: strings.ReplaceAll(path, "%s", made.at("id"))}); !got {
			t.Errorf("%s: the answer ended well without the last 50 documents", path)
		}
		h.log.next(`"status"=200`, `"kind"="not-found"`)
		if pages != 2 || held != 0 {
			t.Errorf("%s: %d pages were read, and %d readers are left, want 2 and 0", path, pages, held)
		}
	}
}

// TestRemovedBeforeRead checks that the answer is 404 if the operation is removed before anything
// was sent.
func TestRemovedBeforeRead(t *testing.T) {
	h := start(t, nil)
	made := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")})
	h.store.turn = func(id signing.ID, _ int) { _ = h.store.Remove(t.Context(), id) }
	h.do(request{path: "operation/sign/detail/" + made.at("id") + "/contentInResponse/True"}).
		fails(http.StatusNotFound, "404", "no operation with id")
}

// breaksOff reports whether an answer is aborted.
func breaksOff(h *harness, r request) (aborted bool) {
	defer func() { aborted = recover() == http.ErrAbortHandler }()
	h.api.Handler().ServeHTTP(httptest.NewRecorder(), r.build())
	return false
}

// TestRemovedBeforeAnswered checks that a synchronous request is not answered 404 if its operation
// is removed while it waits.
func TestRemovedBeforeAnswered(t *testing.T) {
	h := start(t, nil)
	h.store.turn = func(id signing.ID, _ int) { _ = h.store.Remove(t.Context(), id) }
	resp := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")})
	if resp.Code != http.StatusServiceUnavailable {
		t.Errorf("answer = %d %.200s, want 503", resp.Code, resp.text)
	}
}
