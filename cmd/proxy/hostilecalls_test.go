package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hostileOperation is an operation that ended well, for calls that need one.
type hostileOperation struct {
	ID        int64
	Reference string
}

// hostileCall is a call of the API and the function that makes a valid request for it.
type hostileCall struct {
	name, method string
	make         func(t *testing.T, n int, last *hostileOperation) hostileSeed
}

// hostileSeed is a valid request before it is mutated.
type hostileSeed struct {
	path, query, contentType string
	reference                string // of the operation that it makes; empty = none or unknown
	body                     []byte
}

// hostileCalls are all calls of the API that need authentication. The first two make operations.
func hostileCalls() []hostileCall {
	signing := func(name, path string, form bool) hostileCall {
		return hostileCall{name, http.MethodPost, func(t *testing.T, n int, _ *hostileOperation) hostileSeed {
			reference := fmt.Sprint(name, " ", n)
			seed := hostileSeed{
				path:        path,
				reference:   reference,
				contentType: "application/json",
				body:        hostileJSON(t, reference, tinyPDF(n)),
			}
			if form {
				seed.contentType, seed.body = "multipart/form-data; boundary=x", hostileForm(seed.body, tinyPDF(n))
			}
			return seed
		}}
	}
	asking := func(name, method, query string, path func(last *hostileOperation) string) hostileCall {
		return hostileCall{name, method, func(_ *testing.T, _ int, last *hostileOperation) hostileSeed {
			return hostileSeed{path: path(last), query: query}
		}}
	}
	byReference := func(before string) func(*hostileOperation) string {
		return func(last *hostileOperation) string { return before + url.PathEscape(last.Reference) }
	}
	byID := func(before, after string) func(*hostileOperation) string {
		return func(last *hostileOperation) string { return fmt.Sprint(before, last.ID, after) }
	}
	return []hostileCall{
		signing("sign", "document/sign/base64/", false),
		signing("sign form", "document/sign/", true),
		signing("sign async", "document/sign/async/base64/", false),
		signing("sign form async", "document/sign/async/", true),
		asking("status by reference", http.MethodGet, "wait=1s", byReference("operation/status/withExternalReference/")),
		asking("status", http.MethodGet, "wait=1", byID("operation/status/", "")),
		asking("detail by reference", http.MethodGet, "includeContent=true",
			byReference("operation/sign/detail/withExternalReference/")),
		asking("detail", http.MethodGet, "a=b", byID("operation/sign/detail/", "/contentInResponse/True")),
		asking("zip", http.MethodGet, "", byID("operation/sign/detail/", "/documents")),
		asking("id by document", http.MethodGet, "externalReference=d",
			func(*hostileOperation) string { return "operation/id/withDocumentExternalReference/d" }),
		asking("delete", http.MethodDelete, "", byID("operation/sign/detail/", "")),
	}
}

// call sends one request, possibly modified by change, and remembers the operation that it made.
func (h *hostile) call(c hostileCall, seed hostileSeed, what string, change ...func(*http.Request)) {
	request := h.request(seed.path, seed.body)
	request.Method, request.URL.RawQuery = c.method, seed.query
	if seed.contentType != "" {
		request.Header.Set("Content-Type", seed.contentType)
	}
	for _, f := range change {
		f(request)
	}
	status, body := h.send(request, c.name, what)
	var op soakOperation
	if status == http.StatusOK && seed.reference != "" && json.Unmarshal(body, &op) == nil && op.Status == "EXECUTED" {
		h.last.Store(&hostileOperation{op.ID, seed.reference})
	}
}

// tinyPDF is a signable document of less than a kilobyte.
func tinyPDF(n int) []byte { return paddedPDF(n, 0) }

// paddedPDF is tinyPDF with a comment of the given size in bytes.
func paddedPDF(n, padding int) []byte {
	var b bytes.Buffer
	var offsets []int
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	if padding > 0 {
		b.WriteString("%" + strings.Repeat("x", padding) + "\n")
	}
	for i, object := range []string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>",
	} {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R/ID[<%032x><%032[2]x>]>>\nstartxref\n%d\n%%%%EOF\n",
		len(offsets)+1, n, start)
	return b.Bytes()
}

// hostileForm is the multipart request with its one file. The JSON part omits the content.
func hostileForm(request, pdf []byte) []byte {
	var whole map[string]any
	if err := json.Unmarshal(request, &whole); err != nil {
		panic(err) // the test has just made this JSON
	}
	for _, d := range whole["documents"].([]any) {
		delete(d.(map[string]any)["documentRequest"].(map[string]any), "base64Content")
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic(err) // the same
	}
	var b bytes.Buffer
	b.WriteString("--x\r\nContent-Disposition: form-data; name=\"signRequest\"\r\nContent-Type: application/json\r\n\r\n")
	b.Write(text)
	b.WriteString(
		"\r\n--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"d.pdf\"\r\n" +
			"Content-Type: application/pdf\r\n\r\n",
	)
	b.Write(pdf)
	b.WriteString("\r\n--x--\r\n")
	return b.Bytes()
}
