package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

var formType = map[string]string{"Content-Type": "multipart/form-data; boundary=cut"}

func part(name, content string) string {
	return "--cut\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"x\"\r\n\r\n" + content + "\r\n"
}

func form(parts ...string) string { return strings.Join(parts, "") + "--cut--\r\n" }

// multipartRequest is a SignRequest of n documents without content.
func multipartRequest(reference string, n int) string {
	text := signRequest(reference, make([]string, n)...)
	return strings.ReplaceAll(text, `,"base64Content":""`, "")
}

// TestMultipart checks the parts of a form in any order.
func TestMultipart(t *testing.T) {
	h := start(t, nil)
	bodies := map[string]string{
		"signRequest first": form(part("signRequest", multipartRequest("first", 2)), part("files", "%PDF one"),
			part("files", "%PDF two")),
		"signRequest last": form(part("files", "%PDF one"), part("files", "%PDF two"),
			part("signRequest", multipartRequest("last", 2))),
		"signRequest between": form(part("files", "%PDF one"), part("signRequest", multipartRequest("mid", 2)),
			part("other", "x"), part("files", "%PDF two")),
		"with text around it": "preamble\r\n" + form(
			part("signRequest", multipartRequest("around", 2)),
			part("files", "%PDF one"),
			part("files", "%PDF two"),
		) + "epilogue",
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			h.t = t
			resp := h.do(request{path: "document/sign/", text: body, header: formType})
			resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
			resp.signed("documentList.0.signedContent", "%PDF one")
			resp.signed("documentList.1.signedContent", "%PDF two")
		})
	}
	h.t = t
	h.do(request{
		path:   "document/sign/async/",
		text:   form(part("files", "%PDF"), part("signRequest", multipartRequest("later", 1))),
		header: formType,
	}).is(http.StatusAccepted, map[string]string{"externalReference": "later"})
}

// TestMultipartFaults checks that a bad form is refused, and that nothing is kept of it.
func TestMultipartFaults(t *testing.T) {
	h := start(t, limited)
	one, two := multipartRequest("bad", 1), multipartRequest("bad", 2)
	for _, tt := range []badRequest{
		{"fewer files", form(part("signRequest", two), part("files", "%PDF")),
			invalid, "files: there are 1 parts for 2 documents"},
		{"more files", form(part("files", "%PDF"), part("files", "%PDF"), part("signRequest", one)),
			invalid, "files: there are 2 parts for 1 documents"},
		{"no file", form(part("signRequest", one)),
			invalid, `files: there are 0 parts for 1 documents; the parts that came: "signRequest"`},
		{"no signRequest", form(part("files", "%PDF")),
			malformed, `signRequest: the part is missing; the parts that came: "files"`},
		{"two signRequests", form(part("signRequest", one), part("signRequest", one), part("files", "%PDF")),
			malformed, "signRequest"},
		{"an empty file", form(part("signRequest", two), part("files", "%PDF"), part("files", "")),
			malformed, "files[1] is missing or empty"},
		{"signRequest not JSON", form(part("signRequest", "x"), part("files", "%PDF")), malformed, "not JSON"},
		{"content in signRequest too", form(part("signRequest", signRequest("bad", "x")), part("files", "%PDF")),
			invalid, "documents[0].documentRequest.base64Content"},
		{"cut off in a file", form(part("signRequest", one), part("files", "%PDF one"))[:350], malformed, "multipart"},
		{"cut off in a part's header", form(part("signRequest", one), part("files", "%PDF"))[:330],
			invalid, `files: there are 0 parts for 1 documents; the parts that came: "signRequest"`},
		{"cut off before the end", strings.TrimSuffix(form(part("signRequest", one), part("files", "%PDF")), "--cut--\r\n"),
			malformed, "multipart"},
		{"nothing", "--cut--\r\n", malformed, "signRequest: the part is missing; no part came"},
		{"not a form", "{}", malformed, "multipart"},
		{"a large file", form(part("signRequest", one), part("files", strings.Repeat("x", 2000))),
			tooLarge, "files[0] is larger than 1000 bytes"},
		{"many files", form(part("files", "1"), part("files", "2"), part("files", "3"), part("files", "4")),
			tooLarge, "files: more than 3"},
		{"a large body", form(part("other", strings.Repeat("x", 200_000))), tooLarge, "the body is larger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			for _, path := range []string{"document/sign/", "document/sign/async/"} {
				h.do(request{path: path, text: tt.text, header: formType}).fails(tt.want.status, tt.want.code, tt.cause)
			}
		})
	}
	h.t = t
	for _, tt := range []struct{ path, header, value, cause string }{
		{"document/sign/", "Content-Type", "application/json", "multipart/form-data"},
		{"document/sign/", "Content-Type", "multipart/form-data", "boundary"},
		{"document/sign/base64/", "Content-Encoding", "gzip", "Content-Encoding"},
	} {
		r := request{path: tt.path, text: form(), header: map[string]string{tt.header: tt.value}}
		h.do(r).fails(http.StatusUnsupportedMediaType, "415", tt.cause)
	}
	h.nothingKept("bad")
}

// TestLoosePartNames checks that the name of a part is read from any form of Content-Disposition
// that programs write.
func TestLoosePartNames(t *testing.T) {
	h := start(t, nil)
	send := func(reference, disposition string) response {
		text := form(part("signRequest", multipartRequest(reference, 1)),
			"--cut\r\nContent-Disposition: "+disposition+"\r\n\r\n%PDF one\r\n")
		return h.do(request{path: "document/sign/", text: text, header: formType})
	}
	for i, disposition := range []string{
		`form-data; name="files"; filename=my invoice.pdf`,
		`form-data; name=files; filename=a(1).pdf`,
		`form-data; name="files"; filename=fatura-é.pdf`,
		"form-data; name=\"files\"; filename=fatura-\xe9.pdf",
		`form-data; name="files"; filename="a"b.pdf"`,
		`Form-Data; filename="a"b.pdf"; NAME = "files"`,
		`form-data; filename=my invoice.pdf;name=files`,
		`form-data;name="files";filename=`,
	} {
		resp := send(fmt.Sprint("loose-", i), disposition)
		resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
		resp.signed("documentList.0.signedContent", "%PDF one")
	}
	for _, disposition := range []string{
		`attachment; name="files"; filename=my invoice.pdf`,
		`form-data; filename=name=files`,
		`form-data; filename=my invoice.pdf`,
		`form-data; name="other"; filename=my invoice.pdf`,
		`form-data; name="other"; filename="a"b; name="files"`,
		`form-data; name="files"; filename="` + strings.Repeat("a", 5000) + `"b"`,
	} {
		send("bad", disposition).fails(http.StatusBadRequest, "0.0.6",
			`files: there are 0 parts for 1 documents; the parts that came: "signRequest", `)
	}
}
