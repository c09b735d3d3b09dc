package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestRemove(t *testing.T) {
	h := start(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
	id := h.do(request{path: "document/sign/async/base64", text: signRequest("ref", "%PDF")}).at("id")
	remove := request{method: http.MethodDelete, path: "operation/sign/detail/" + id}
	h.do(remove).fails(http.StatusConflict, "409", "has not ended")
	other := remove
	other.auth = basic(bob, bobSecret)
	h.do(other).fails(http.StatusNotFound, "404", "no operation with id")
	close(h.provider.hold)
	h.wait(id)
	h.do(other).fails(http.StatusNotFound, "404", "no operation with id")
	if resp := h.do(remove); resp.Code != http.StatusNoContent || resp.text != "" {
		t.Errorf("DELETE = %d %q, want 204 and nothing", resp.Code, resp.text)
	}
	h.do(remove).fails(http.StatusNotFound, "404", "no operation with id")
	h.do(request{path: "operation/status/withExternalReference/ref"}).fails(http.StatusNotFound, "404", "no operation")
	h.do(request{path: "document/sign/base64", text: signRequest("ref", "%PDF")}).is(http.StatusOK, nil)
}

// TestFetched checks that an operation counts as fetched when all of its results were sent, by any
// call, and not before.
func TestFetched(t *testing.T) {
	for name, test := range map[string]struct {
		request request
		fetched bool
	}{
		"status":          {request{path: "operation/status/%s"}, false},
		"detail":          {request{path: "operation/sign/detail/%s/contentInResponse/True"}, true},
		"without content": {request{path: "operation/sign/detail/%s/contentInResponse/False"}, false},
		"by reference":    {request{path: "operation/sign/detail/withExternalReference/ref"}, true},
		"zip":             {request{path: "operation/sign/detail/%s/documents"}, true},
		"head of the zip": {request{method: http.MethodHead, path: "operation/sign/detail/%s/documents"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, nil)
			text := h.do(request{path: "document/sign/async/base64", text: signRequest("ref", "%PDF")}).at("id")
			h.wait(text)
			id, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if h.store.WasFetched(signing.ID(id)) {
				t.Error("it counts as fetched before anybody has asked")
			}
			test.request.path = strings.ReplaceAll(test.request.path, "%s", text)
			if resp := h.do(test.request); resp.Code != http.StatusOK {
				t.Fatalf("%s = %d %s", test.request.path, resp.Code, resp.text)
			}
			if got := h.store.WasFetched(signing.ID(id)); got != test.fetched {
				t.Errorf("fetched = %v, want %v", got, test.fetched)
			}
		})
	}
}
