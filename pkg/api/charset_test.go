package api_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// TestCharsets checks that the text of a request is decoded with the character set that the client
// declares, and that nothing else changes.
func TestCharsets(t *testing.T) {
	const text = "nº 7, à ordem de João & Cª"
	encode := func(s string, charset interface{ String(string) (string, error) }) string {
		out, err := charset.String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	latin1, windows := charmap.ISO8859_1.NewEncoder(), charmap.Windows1252.NewEncoder()
	utf16 := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder()
	h := start(t, nil)
	for i, tt := range []struct{ contentType, description, raw string }{
		{"application/json; charset=ISO-8859-1", text, encode(text, latin1)},
		{"application/json;charset=latin1", text, encode(text, latin1)},
		{`application/json; charset="windows-1252"`, text + " 7 €", encode(text+" 7 €", windows)},
		{"application/json; charset=ISO-8859-1", "7 €", encode("7 €", windows)},
		{"application/json; charset=Cp1252", "7 €", encode("7 €", windows)},
		{"application/json; charset=ISO8859_1", text, encode(text, latin1)},
		{"application/json; charset=ISO-8859-15", "7 €", encode("7 €", charmap.ISO8859_15.NewEncoder())},
		// says less than it holds, as glibc does where no locale is set
		{"application/json; charset=ANSI_X3.4-1968", text, text},
		{"application/json; charset=ascii", text, text},
		{"application/json; charset=utf-8", text, text},
		{"application/json; charset=UTF8", text, text},
		{"application/json; charset=us-ascii", text, text},
		{"application/json; charset=", text, text},
		{"application/json; charset", text, text},
		{"", text, text},
	} {
		reference := "charset-" + string(rune('a'+i))
		body := strings.Replace(signRequest(reference, "%PDF"), `"test"`, `"`+tt.raw+`"`, 1)
		part := "--cut\r\nContent-Disposition: form-data; name=signRequest\r\nContent-Type: " + tt.contentType + "\r\n\r\n" +
			strings.Replace(multipartRequest(reference+"2", 1), `"test"`, `"`+tt.raw+`"`, 1) + "\r\n"
		file := "--cut\r\nContent-Disposition: form-data; name=files\r\n\r\n%PDF\r\n"
		header := map[string]string{"Content-Type": tt.contentType}
		for reference, r := range map[string]request{
			reference:       {path: "document/sign/async/base64", text: body, header: header},
			reference + "2": {path: "document/sign/async/", text: form(part, file), header: formType},
		} {
			h.do(r).is(http.StatusAccepted, nil)
			ops, err := h.store.FindByReference(t.Context(), alice, reference)
			if err != nil || len(ops) != 1 || ops[0].Description != tt.description {
				t.Errorf("%s: stored operation = %+v, %v, want description %q", tt.contentType, ops, err, tt.description)
			}
		}
	}
	marked := request{
		path:   "document/sign/async/base64",
		text:   "\ufeff" + strings.Replace(signRequest("marked", "%PDF"), `"test"`, `"é"`, 1),
		header: map[string]string{"Content-Type": "application/json; charset=ISO-8859-1"},
	}
	h.do(marked).is(http.StatusAccepted, nil)
	ops, err := h.store.FindByReference(t.Context(), alice, "marked")
	if err != nil || len(ops) != 1 || ops[0].Description != "é" {
		t.Errorf("with a byte order mark: stored operation = %+v, %v", ops, err)
	}
	whole := encode(signRequest("wide", "%PDF"), utf16)
	h.do(request{
		path:   "document/sign/async/base64",
		text:   whole,
		header: map[string]string{"Content-Type": "application/json; charset=UTF-16"},
	}).is(http.StatusAccepted, map[string]string{"externalReference": "wide"})
	for _, charset := range []string{"x-klingon", "UTF-7"} {
		header := map[string]string{"Content-Type": "application/json; charset=" + charset}
		resp := h.do(request{path: "document/sign/async/base64", text: signRequest("none", "%PDF"), header: header})
		if resp.Code != http.StatusUnsupportedMediaType || !strings.Contains(resp.text, charset) {
			t.Errorf("charset %s = %d %.200s, want 415 that names it", charset, resp.Code, resp.text)
		}
	}
}
