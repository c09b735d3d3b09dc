package api_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Two programs that exist outside this project decide compatibility; their requests are re-created
// here in shape, not in text.

// TestFirstClient plays a C# program that serialises absent objects as null, doubles slashes at the
// end, asks for the token with an empty body, reuses one document reference for every request, and
// takes any body that contains the lower-case word error for a failure.
func TestFirstClient(t *testing.T) {
	h := start(t, nil)
	tokenResp := h.do(request{
		method: http.MethodPost, path: "/oauth2/authorization-server/oauth/token?grant_type=client_credentials",
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
	})
	tokenResp.is(http.StatusOK, nil)
	send := func(reference, content string) response {
		body := map[string]any{
			"description": "Some context.", "externalReference": reference,
			"documents": []any{map[string]any{
				"documentRequest": map[string]any{
					"base64Content": base64.StdEncoding.EncodeToString([]byte(content)), "contentType": "application/pdf",
					"externalReference": "the same for ever", "name": "invoice.pdf",
				},
				"signatureInfo": map[string]any{
					"signatureType": "PAdES", "applyTimestamp": true, "location": "Oeiras", "reason": "API",
					"visibleSignatureInfo": map[string]any{
						"locationType":        "COORDINATE",
						"locationValue":       "page=1,x=140,y=35",
						"area":                "width=100,height=30",
						"font":                "color=#000000,size=8,name=arial",
						"oneOffTemplate":      "Signed by $certificate.getCommonName()\nDate: x",
						"templateType":        "ONE_OFF",
						"imageType":           nil,
						"imageValue":          nil,
						"areaBackgroundColor": nil,
					},
				},
			}},
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return h.do(request{
			path: "document/sign/base64///", text: string(text), auth: "Bearer " + tokenResp.at("access_token"),
			header: map[string]string{"Content-Type": "application/json", "Accept": "*/*"},
		})
	}
	// The content spells the word in base64, too.
	word, err := base64.StdEncoding.DecodeString("AAAerrorAAAA")
	if err != nil {
		t.Fatal(err)
	}
	for i, content := range []string{"%PDF", string(word), strings.Repeat(string(word), 20_000)} {
		resp := send("Ext_Ref error "+string(rune('a'+i)), content)
		resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
		resp.signed("documentList.0.signedContent", content)
	}
}

// TestSecondClient plays a C# program that writes bearer in lower case, sends the grant in a form,
// sets preservationInfo, and reads status, id and documentList[0].signedContent.
func TestSecondClient(t *testing.T) {
	h := start(t, nil)
	tokenResp := h.do(request{
		path: "/oauth2/authorization-server/oauth/token", text: "grant_type=client_credentials",
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
	})
	tokenResp.is(http.StatusOK, nil)
	auth := "bearer " + tokenResp.at("access_token")
	text := `{"description":"Documento Eletr\u00f3nico FT_2021_5","documents":[{"documentRequest":` +
		`{"base64Content":"` + contentText + `","contentType":"application/pdf",` +
		`"externalReference":"FT_2021_5","name":"fatura.pdf"},"signatureInfo":{"applyTimestamp":true,` +
		`"location":"Porto","reason":"Documento","signatureType":"PAdES"}}],"externalReference":"FT_2021_5",` +
		`"preservationInfo":{"alias":"fatura.pdf","deliveryInfo":{"attachDocuments":true,` +
		`"personReceiver":[{"deliveryStatus":"SENT","email":"someone@example.org"}]},"preserveContent":false},` +
		`"returnSignedContent":true}`
	resp := h.do(request{
		path:   "document/sign/base64/",
		text:   text,
		auth:   auth,
		header: map[string]string{"Content-Type": "application/json"},
	})
	resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	resp.signed("documentList.0.signedContent", "%PDF-1.7 content")
	id := resp.at("id")

	h.do(request{path: "operation/id/withDocumentExternalReference/FT_2021_5", auth: auth}).is(http.StatusOK,
		map[string]string{"": id})
	for _, flag := range []string{"True", "true", "TRUE"} {
		again := h.do(request{path: "operation/sign/detail/" + id + "/contentInResponse/" + flag, auth: auth})
		again.is(http.StatusOK, map[string]string{"id": id})
		again.signed("documentList.0.signedContent", "%PDF-1.7 content")
	}
	for _, flag := range []string{"False", "false"} {
		h.do(request{path: "operation/sign/detail/" + id + "/contentInResponse/" + flag, auth: auth}).
			is(http.StatusOK, map[string]string{"documentList.0.signedContent": ""})
	}
}

// TestGeneratedJavaClient plays a generated Java client. Gson escapes characters that HTML could
// misread. When a token is refused, the client gets a new one and tries once more.
func TestGeneratedJavaClient(t *testing.T) {
	h := start(t, nil)
	content := base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 content "))
	if !strings.HasSuffix(content, "=") {
		t.Fatal("the content must be padded for this test")
	}
	text := strings.Replace(signRequest("gson", "%PDF-1.7 content "), content,
		strings.NewReplacer("=", `\u003d`, "/", `\/`).Replace(content), 1)
	s := h.serve()
	call := func(auth string) *http.Response {
		req, err := http.NewRequest(http.MethodPost, s.URL+base+"document/sign/base64/", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+auth)
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	refused := call("stale")
	if refused.StatusCode != http.StatusUnauthorized || refused.Header.Get("WWW-Authenticate") == "" {
		t.Fatalf("answer to a stale token = %v", refused)
	}
	refused.Body.Close()
	resp := call(token(h, ""))
	var op struct {
		Status       string
		DocumentList []struct{ SignedContent []byte }
	}
	if err := json.NewDecoder(resp.Body).Decode(&op); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if op.Status != "EXECUTED" ||
		!strings.HasPrefix(string(op.DocumentList[0].SignedContent), "%PDF-1.7 content \nsealed:") {
		t.Errorf("answer = %+v", op)
	}
}

func TestByteOrderMarkIsIgnored(t *testing.T) {
	h := start(t, nil)
	h.do(request{path: "document/sign/base64", text: "\xEF\xBB\xBF" + signRequest("bom", "%PDF")}).is(http.StatusOK, nil)
}

func TestPage(t *testing.T) {
	h := newHarness(t, nil)
	get := func(path string, header map[string]string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.api.Handler().ServeHTTP(rec, request{path: path, auth: "none", header: header}.build())
		return rec
	}
	const root = "/signstash/einvoice-integration-client-ws"
	for _, path := range []string{root, root + "/"} {
		if rec := get(path, nil); rec.Code != http.StatusFound || rec.Header().Get("Location") != root+"/swagger-ui.html" {
			t.Errorf("%s = %d %q", path, rec.Code, rec.Header().Get("Location"))
		}
	}
	page := get(root+"/swagger-ui.html", nil)
	if page.Code != http.StatusOK || !strings.HasPrefix(page.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("page = %d %v", page.Code, page.Header())
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(page.Header().Get("Content-Security-Policy"), want) {
			t.Errorf("policy = %q, want %q in it", page.Header().Get("Content-Security-Policy"), want)
		}
	}
	if strings.Contains(page.Body.String(), "//") || strings.Contains(page.Body.String(), "<script>") {
		t.Errorf("the page loads from elsewhere, or holds a script that its policy forbids:\n%s", page.Body)
	}
	loaded := 0
	for _, attribute := range []string{`src="`, `href="`} {
		for _, rest := range strings.Split(page.Body.String(), attribute)[1:] {
			path, _, _ := strings.Cut(rest, `"`)
			plain := get(path, nil)
			zipped := get(path, map[string]string{"Accept-Encoding": "gzip, deflate"})
			if plain.Code != http.StatusOK || zipped.Code != http.StatusOK || plain.Body.Len() == 0 ||
				plain.Header().Get("Content-Encoding") != "" {
				t.Errorf("%s = %d, %d", path, plain.Code, zipped.Code)
			}
			loaded++
		}
	}
	if loaded != 4 {
		t.Errorf("the page loads %d files, want 4", loaded)
	}
	rec := get(root+"/swagger-ui/swagger-ui-bundle.js", map[string]string{"Accept-Encoding": "gzip"})
	if rec.Header().Get("Content-Encoding") != "gzip" {
		t.Error("the bundle is not sent compressed")
	}
	rec = get(root+"/openapi.yaml", map[string]string{"Range": "bytes=0-6"})
	if rec.Code != http.StatusPartialContent || rec.Body.String() != "openapi" {
		t.Errorf("part of the document = %d %q", rec.Code, rec.Body)
	}
	if rec := get(root+"/swagger-ui/none.js", nil); rec.Code != http.StatusNotFound {
		t.Errorf("a file that is not there = %d", rec.Code)
	}
	if script := get(root+"/swagger-ui/page.js", nil).Body.String(); !strings.Contains(script, root+"/openapi.yaml") {
		t.Errorf("the page's script does not load the document: %s", script)
	}
}
