package api_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signOne signs two documents and returns the path of the first.
func signOne(t *testing.T, h *harness) (path, id string) {
	t.Helper()
	resp := h.do(request{
		path: "document/sign/base64",
		text: `{"externalReference":"r","description":"d","documents":[` + named("a", "ação.pdf", "%PDF 0") + "," +
			named("b", "b.pdf", "%PDF 1") + "," + named("c", "c.pdf", "fail:damaged:x") + "]}",
	})
	resp.is(http.StatusOK, nil)
	id = resp.at("id")
	return "operation/sign/detail/" + id + "/documents/", id
}

// TestDocument checks that a signed document comes as it is, and with what RFC 9110 asks of a
// representation that has an ETag and ranges.
func TestDocument(t *testing.T) {
	h := start(t, nil)
	path, _ := signOne(t, h)
	all := h.do(request{path: path + "0"})
	if all.Code != http.StatusOK || !strings.HasPrefix(all.text, "%PDF 0") || len(all.text) <= len("%PDF 0") {
		t.Fatalf("answer = %d %.100q, want the signed document", all.Code, all.text)
	}
	etag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(all.text))))
	size := strconv.Itoa(len(all.text))
	for name, want := range map[string]string{
		"Content-Type":           "application/pdf",
		"Content-Disposition":    "attachment; filename*=utf-8''a%C3%A7%C3%A3o.pdf",
		"Content-Length":         size,
		"ETag":                   etag,
		"Accept-Ranges":          "bytes",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "no-store",
	} {
		if got := all.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, c := range []struct {
		name   string
		ask    request
		status int
		text   string
		header string // of the answer
		value  string
	}{
		{"head", request{method: http.MethodHead}, 200, "", "Content-Length", size},
		{"head has the ETag", request{method: http.MethodHead}, 200, "", "ETag", etag},
		{"range", request{header: map[string]string{"Range": "bytes=1-3"}}, 206, "PDF", "Content-Range", "bytes 1-3/" + size},
		{
			"rest", request{header: map[string]string{"Range": "bytes=6-", "If-Range": etag}}, 206, all.text[6:],
			"Content-Length", strconv.Itoa(len(all.text) - 6),
		},
		{
			"rest of another document", request{header: map[string]string{"Range": "bytes=6-", "If-Range": `"x"`}},
			200, all.text, "ETag", etag,
		},
		{"not modified", request{header: map[string]string{"If-None-Match": etag}}, 304, "", "ETag", etag},
		{"other ETag", request{header: map[string]string{"If-Match": `"x"`}}, 412, "", "ETag", etag},
	} {
		c.ask.path = path + "0"
		got := h.do(c.ask)
		if got.Code != c.status || got.text != c.text || got.Header().Get(c.header) != c.value {
			t.Errorf("%s = %d %.50q, %s %q, want %d %.50q, %q", c.name, got.Code, got.text, c.header,
				got.Header().Get(c.header), c.status, c.text, c.value)
		}
	}
	beyond := h.do0(request{path: path + "0", header: map[string]string{"Range": "bytes=100000-"}})
	if got := beyond.Header().Get("Content-Range"); beyond.Code != 416 || got != "bytes */"+size {
		t.Errorf("range beyond the end = %d, Content-Range %q, want 416", beyond.Code, got)
	}
}

// TestDocumentRefusals checks the answers where there is no signed document.
func TestDocumentRefusals(t *testing.T) {
	h := start(t, nil)
	path, _ := signOne(t, h)
	h.do(request{path: path + "2"}).fails(http.StatusNotFound, "404", "document 2 was not signed")
	h.do(request{path: path + "3"}).fails(http.StatusNotFound, "404", "has only 3 documents")
	h.do(request{path: path + "2147483647"}).fails(http.StatusNotFound, "404", "has only 3 documents")
	for _, index := range []string{"-1", "x", "1.0", "2147483648", "%30x"} {
		h.do(request{path: path + index}).fails(http.StatusBadRequest, "0.0.6", "documentIndex")
	}
	h.do(request{path: path + "0", auth: basic(bob, bobSecret)}).fails(http.StatusNotFound, "404", "no operation with id")
	h.do(request{path: path + "0", auth: "none"}).fails(http.StatusUnauthorized, "0.0.10", "")
	h.do(request{path: "operation/sign/detail/1/documents/0"}).fails(http.StatusNotFound, "404", "no operation with id")
	h.do(request{path: path + "0/x"}).fails(http.StatusNotFound, "404", "there is no such call")

	h.provider.hold = make(chan struct{})
	id := h.do(request{path: "document/sign/async/base64", text: signRequest("later", "%PDF")}).at("id")
	h.do(request{path: "operation/sign/detail/" + id + "/documents/0"}).
		fails(http.StatusConflict, "409", "document 0 is not signed yet")
	close(h.provider.hold)
	h.wait(id)
}

// TestFetchedOneByOne checks that an operation counts as fetched when each of its signed documents
// was sent completely.
func TestFetchedOneByOne(t *testing.T) {
	h := start(t, nil)
	path, text := signOne(t, h)
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	// The answer to the sync request was complete, so use an operation of its own.
	if !h.store.WasFetched(signing.ID(id)) {
		t.Fatal("the sync request does not count as fetched")
	}
	text = h.do(request{
		path: "document/sign/async/base64", text: signRequest("async", "%PDF 0", "%PDF 1"),
	}).at("id")
	h.wait(text)
	if id, err = strconv.ParseInt(text, 10, 64); err != nil {
		t.Fatal(err)
	}
	path = "operation/sign/detail/" + text + "/documents/"
	for i, ask := range []request{
		{path: path + "0"},
		{path: path + "0"}, // again
		{method: http.MethodHead, path: path + "1"},
		{path: path + "1", header: map[string]string{"Range": "bytes=0-1"}},
		{path: path + "1"},
	} {
		if h.store.WasFetched(signing.ID(id)) {
			t.Errorf("the operation counts as fetched before request %d", i)
		}
		if got := h.do(ask); got.Code >= 300 {
			t.Fatalf("request %d = %d %s", i, got.Code, got.text)
		}
	}
	if !h.store.WasFetched(signing.ID(id)) {
		t.Error("the operation does not count as fetched after all documents were sent")
	}
}
