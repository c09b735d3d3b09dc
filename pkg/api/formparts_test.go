package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestNamesOfFileParts checks that the parts with documents may have the names that form libraries
// make of a list.
func TestNamesOfFileParts(t *testing.T) {
	h := start(t, nil)
	for i, names := range [][2]string{
		{"files", "files"}, {"files[]", "files[]"}, {"files[0]", "files[1]"},
		{"file", "file"}, {"file[]", "file[]"}, {"files", "file"},
	} {
		text := form(part(names[0], "%PDF one"), part(names[1], "%PDF two"),
			part("signRequest", multipartRequest(fmt.Sprint("named-", i), 2)))
		resp := h.do(request{path: "document/sign/", text: text, header: formType})
		resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
		resp.signed("documentList.0.signedContent", "%PDF one")
		resp.signed("documentList.1.signedContent", "%PDF two")
	}
	text := form(part("files[1]", "%PDF two"), part("signRequest", multipartRequest("turned", 2)),
		part("files[0]", "%PDF one"))
	resp := h.do(request{path: "document/sign/", text: text, header: formType})
	resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	resp.signed("documentList.0.signedContent", "%PDF one")
	resp.signed("documentList.1.signedContent", "%PDF two")
}

// TestWhatCameIsNamed checks that an error about missing parts names those that came.
func TestWhatCameIsNamed(t *testing.T) {
	h := start(t, limited)
	send := func(names ...string) response {
		parts := []string{part("signRequest", multipartRequest("bad", 2))}
		for _, name := range names {
			parts = append(parts, part(name, "%PDF"))
		}
		return h.do(request{path: "document/sign/", text: form(parts...), header: formType})
	}
	const none = `files: there are 0 parts for 2 documents; the parts that came: `
	for _, tt := range []struct {
		names []string
		cause string
	}{
		{nil, none + `"signRequest"`},
		{[]string{"Files", "document[0]"}, none + `"signRequest", "Files", "document[0]"`},
		{[]string{"files[x]", "files[0"}, none + `"signRequest", "files[x]", "files[0"`},
		{[]string{"files[-1]", "files[0]x"}, `files: there are 0 parts for 2 documents`},
		{[]string{"files"}, `files: there are 1 parts for 2 documents; the parts that came: "signRequest", "files"`},
		{[]string{"files[0]", "files[0]"},
			`files[1]: the part is missing; the parts that came: "signRequest", "files[0]", "files[0]"`},
		{[]string{"files[1]", "files[2]"}, `files[0]: the part is missing`},
		{[]string{"files[0]", "files"}, `files: some parts have an index in their name and others do not`},
		{[]string{strings.Repeat("a", 100)}, `"signRequest", "` + strings.Repeat("a", 40) + `"`},
		{strings.Split(strings.Repeat("x,", 19)+"x", ","), `"x", "x", and 13 more`},
	} {
		send(tt.names...).fails(http.StatusBadRequest, "0.0.6", tt.cause)
	}
	send("files[99999999999]").fails(http.StatusBadRequest, "0.0.6", "files: there are 0 parts")
	send("files[3]").fails(http.StatusRequestEntityTooLarge, "0.0.4", "files: more than 3")
	h.nothingKept("bad")
}

// TestBoundaries checks boundaries with characters that RFC 2045 5.1 wants in quotes. Not all
// libraries write the quotes.
func TestBoundaries(t *testing.T) {
	h := start(t, nil)
	send := func(i int, boundary, contentType string) response {
		text := form(part("signRequest", multipartRequest(fmt.Sprint("boundary-", i), 1)), part("files", "%PDF one"))
		text = strings.ReplaceAll(text, "--cut", "--"+boundary)
		return h.do(request{path: "document/sign/", text: text, header: map[string]string{"Content-Type": contentType}})
	}
	const javaMail, colon = "----=_Part_0_1330466.1700000000000", "uuid:7f3c=1/2?"
	for i, tt := range [][2]string{
		{javaMail, "multipart/form-data; boundary=" + javaMail},
		{javaMail, `multipart/form-data; boundary="` + javaMail + `"`},
		{colon, "multipart/form-data; boundary=" + colon},
		{colon, "Multipart/Form-Data; charset=UTF-8; BOUNDARY=" + colon + " ; x=y"},
		{colon, `multipart/form-data; boundary="` + colon + `"; name=a:b`},
		{"cut", "multipart/form-data;boundary=cut; type=a/b"},
	} {
		resp := send(i, tt[0], tt[1])
		resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
		resp.signed("documentList.0.signedContent", "%PDF one")
	}
	for _, contentType := range []string{
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=a:b; boundary=c:d",
		"multipart/mixed; boundary=a:b",
		"multipart/form-data; boundary=" + strings.Repeat(":", 71),
		"multipart/form-data; boundary=a:\u00e9",
		"a:b; boundary=a:b",
	} {
		send(0, "a:b", contentType).fails(http.StatusUnsupportedMediaType, "415", "boundary")
	}
}

// encodedPart is a part with a Content-Transfer-Encoding.
func encodedPart(name, encoding, content string) string {
	return strings.Replace(part(name, content), "\r\n\r\n", "\r\nContent-Transfer-Encoding: "+encoding+"\r\n\r\n", 1)
}

// TestTransferEncodings checks that a part in base64 is decoded, and that an unknown encoding is
// refused by name.
func TestTransferEncodings(t *testing.T) {
	h := start(t, limited)
	base64Lines := func(text string) string {
		encoded := base64.StdEncoding.EncodeToString([]byte(text))
		return encoded[:8] + "\r\n" + encoded[8:] + "\r\n"
	}
	send := func(reference, file string) response {
		text := form(part("signRequest", multipartRequest(reference, 1)), file)
		return h.do(request{path: "document/sign/", text: text, header: formType})
	}
	for i, file := range []string{
		encodedPart("files", "base64", base64Lines("%PDF one")),
		encodedPart("files[]", " BASE64 ", base64Lines("%PDF one")),
		encodedPart("files", "binary", "%PDF one"),
		encodedPart("files", "8bit", "%PDF one"),
		encodedPart("files", "7bit", "%PDF one"),
		encodedPart("files", "quoted-printable", "%PDF=20o=\r\nne"),
	} {
		resp := send(fmt.Sprint("encoded-", i), file)
		resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
		resp.signed("documentList.0.signedContent", "%PDF one")
	}
	text := form(encodedPart("signRequest", "base64", base64Lines(multipartRequest("encoded-request", 1))),
		part("files", "%PDF one"))
	h.do(request{path: "document/sign/", text: text, header: formType}).is(http.StatusOK,
		map[string]string{"folderExternalReference": "encoded-request"})

	send("bad", encodedPart("files", "x-uuencode", "%PDF")).fails(http.StatusBadRequest,
		"0.0.6", `files[0]: Content-Transfer-Encoding "x-uuencode" is not understood`)
	for _, content := range []string{"%PDF one", "JVBERg", "JVBERg==JVBERg==", "JVBERg=="[:7]} {
		send("bad", encodedPart("files[0]", "base64", content)).fails(http.StatusBadRequest,
			"0.0.6", "files[0] is not base64")
	}
	cut := form(part("signRequest", multipartRequest("bad", 1)), encodedPart("files", "base64", "JVBERiBvbmU="))
	h.do(request{path: "document/sign/", text: cut[:len(cut)-12], header: formType}).fails(http.StatusBadRequest,
		"0.0.2", "ends too early")
	large := base64.StdEncoding.EncodeToString(make([]byte, 1001))
	send("bad", encodedPart("files", "base64", large)).fails(http.StatusRequestEntityTooLarge,
		"0.0.4", "files[0] is larger than 1000 bytes")
	h.nothingKept("bad")
}
