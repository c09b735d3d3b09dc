package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestOtherSignatureTypes checks what is accepted for XAdES and CAdES.
func TestOtherSignatureTypes(t *testing.T) {
	h := start(t, nil)
	xades := func(member string) string { return `"signatureType":"XAdES",` + member }
	cades := func(member string) string { return `"signatureType":"CAdES",` + member }
	pades := func(member string) string { return `"signatureType":"PAdES",` + member }
	tests := []struct{ contentType, info, cause string }{
		{"text/xml", `"signatureType":"XAdES"`, ""},
		{"application/xml", xades(`"advancedSignatureInfo":{"signatureLocation":"/a/b",` +
			`"signatureTransform":"XPATH","canonicalTransform":"EXCLUSIVE"}`), ""},
		{"application/pdf", `"signatureType":"CAdES"`, ""},
		{"application/octet-stream", `"signatureType":"CAdES"`, ""},
		{"application/pdf", `"signatureType":"XAdES"`, `documentRequest.contentType: must be text/xml or application/xml ` +
			`with signatureType XAdES, not "application/pdf"`},
		{"image/svg+xml", `"signatureType":"XAdES"`, `documentRequest.contentType: must be text/xml or application/xml ` +
			`with signatureType XAdES, not "image/svg+xml"`},
		{"text/xml", xades(`"advancedSignatureInfo":{"signatureTransform":"X"}`),
			"advancedSignatureInfo.signatureTransform"},
		{"text/xml", xades(`"advancedSignatureInfo":{"canonicalTransform":"X"}`),
			"advancedSignatureInfo.canonicalTransform"},
		{"text/xml", xades(`"visibleSignatureInfo":{"locationType":"PLACEHOLDER","locationValue":"x"}`),
			"visibleSignatureInfo"},
		{"text/xml", xades(`"profile":"baseline"`), ""},
		{"text/xml", xades(`"profile":null,"packaging":"","existing":null`), ""},
		{"text/xml", xades(`"profile":"other"`), `signatureInfo: profile "other" is not known`},
		{"text/xml", xades(`"profile":"a\u0000"`), "signatureInfo.profile: contains the character U+0000"},
		{"text/xml", xades(`"profile":{}`), "signatureInfo.profile: must be a string"},
		{"text/xml", xades(`"packaging":"DETACHED"`), "signatureInfo: packaging is only for signatureType CAdES"},
		{"text/xml", xades(`"existing":"COSIGN"`), "signatureInfo: existing is only for signatureType CAdES"},
		{"a/b", cades(`"packaging":"DETACHED"`), ""},
		{"text/plain; charset=utf-8", cades(`"packaging":"ENVELOPING","existing":"WRAP"`), ""},
		{"a/b", cades(`"existing":"COSIGN"`), ""},
		{"a/b", cades(`"packaging":"detached"`), `signatureInfo: packaging "detached" is not ENVELOPING or DETACHED`},
		{"a/b", cades(`"existing":"KEEP"`), `signatureInfo: existing "KEEP" is not WRAP or COSIGN`},
		{"a/b", cades(`"profile":"baseline"`), "signatureInfo: profile is only for signatureType XAdES"},
		{"a/b", cades(`"advancedSignatureInfo":{"signatureTransform":"XPATH"}`),
			"signatureInfo: advancedSignatureInfo is only for signatureType XAdES"},
		{"a/b", cades(`"visibleSignatureInfo":{"locationType":"PLACEHOLDER","locationValue":"x"}`),
			"visibleSignatureInfo"},
		{"application/pdf", pades(`"packaging":"DETACHED"`), "signatureInfo: packaging is only for signatureType CAdES"},
		{"application/pdf", pades(`"existing":"WRAP"`), "signatureInfo: existing is only for signatureType CAdES"},
		{"application/pdf", pades(`"profile":"baseline"`), "signatureInfo: profile is only for signatureType XAdES"},
		{"text/xml", `"signatureType":"PAdES"`, `documentRequest.contentType: must be application/pdf ` +
			`with signatureType PAdES, not "text/xml"`},
		{"application/pdf", pades(`"advancedSignatureInfo":{"signatureTransform":"IGNORED"}`), ""},
	}
	for i, tt := range tests {
		replace := strings.NewReplacer(`"signatureType":"PAdES"`, tt.info, "application/pdf", tt.contentType)
		text := replace.Replace(signRequest(fmt.Sprint("r", i), "content"))
		resp := h.do(request{path: "document/sign/async/base64", text: text})
		if tt.cause == "" {
			resp.is(http.StatusAccepted, nil)
			continue
		}
		resp.fails(http.StatusBadRequest, "0.0.6", "documents[0].")
		resp.fails(http.StatusBadRequest, "0.0.6", tt.cause)
	}
}

// ofType returns an item of documents whose signatureInfo has these members.
func ofType(name, contentType, content, members string) string {
	return fmt.Sprintf(`{"documentRequest":{"externalReference":"d","name":%q,"contentType":%q,"base64Content":%q},`+
		`"signatureInfo":{%s}}`, name, contentType, base64.StdEncoding.EncodeToString([]byte(content)), members)
}

// requestOf returns a SignRequest with these items of documents.
func requestOf(reference string, documents ...string) string {
	return fmt.Sprintf(`{"externalReference":%q,"description":"d","documents":[%s]}`, reference,
		strings.Join(documents, ","))
}

// TestSignedNames checks the names and content types of signed documents of all types, in the JSON
// answer and in the zip file.
func TestSignedNames(t *testing.T) {
	h := start(t, nil)
	const mime, signature = "application/pkcs7-mime", "application/pkcs7-signature"
	resp := h.do(request{path: "document/sign/base64", text: requestOf("names",
		ofType("a.pdf", "application/pdf", "0", `"signatureType":"PAdES"`),
		ofType("a.xml", "text/xml", "1", `"signatureType":"XAdES"`),
		ofType("a.xml", "text/xml", "2", `"signatureType":"CAdES"`),
		ofType("a.xml", "text/xml", "3", `"signatureType":"CAdES","packaging":"DETACHED"`),
		ofType("a.xml.p7m", mime, "4", `"signatureType":"CAdES","existing":"COSIGN"`),
		ofType("b.p7m", mime, "5", `"signatureType":"CAdES"`),
	)})
	resp.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	want := []struct{ name, contentType, entry string }{
		{"", "", "d.a.pdf"}, {"", "", "d.a.xml"}, {"a.xml.p7m", mime, "d.a.xml.p7m"}, {"a.xml.p7s", signature, "d.a.xml.p7s"},
		{"", "", "d.a.xml-2.p7m"}, {"b.p7m.p7m", "", "d.b.p7m.p7m"},
	}
	for i, w := range want {
		at := fmt.Sprintf("documentList.%d.", i)
		if got := resp.at(at + "signedName"); got != w.name {
			t.Errorf("%ssignedName = %q, want %q", at, got, w.name)
		}
		if got := resp.at(at + "signedContentType"); got != w.contentType {
			t.Errorf("%ssignedContentType = %q, want %q", at, got, w.contentType)
		}
	}
	resp.is(http.StatusOK, map[string]string{
		"documentList.2.name": "a.xml", "documentList.2.contentType": "text/xml", "documentList.4.name": "a.xml.p7m",
	})
	got := h.do(request{path: "operation/sign/detail/" + resp.at("id") + "/documents"})
	archive, err := zip.NewReader(bytes.NewReader(got.Body.Bytes()), int64(got.Body.Len()))
	if err != nil || len(archive.File) != len(want) {
		t.Fatalf("archive = %v, %v, want %d entries", archive, err, len(want))
	}
	for i, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if original := fmt.Sprint(i); f.Name != want[i].entry || err != nil || string(content) != original+seal(original) {
			t.Errorf("entry %d = %s %q, %v, want %s", i, f.Name, content, err, want[i].entry)
		}
	}
}

// TestAdvancedAttributes checks that documentAttributes echoes advancedSignatureInfo for XML, and
// not for a PDF, for which it is ignored.
func TestAdvancedAttributes(t *testing.T) {
	h := start(t, nil)
	const advanced = `"advancedSignatureInfo":{"signatureLocation":"//a:b[1]","signatureTransform":"XPATH2_FILTER",` +
		`"canonicalTransform":"EXCLUSIVE_WITH_COMMENTS"}`
	resp := h.do(request{path: "document/sign/base64", text: requestOf("attributes",
		ofType("a.xml", "text/xml", "<a/>", `"signatureType":"XAdES",`+advanced),
		ofType("a.pdf", "application/pdf", "%PDF", `"signatureType":"PAdES",`+advanced),
		ofType("a.xml", "text/xml", "<a/>", `"signatureType":"XAdES","advancedSignatureInfo":{"signatureTransform":"XPATH"}`),
	)})
	resp.is(http.StatusOK, nil)
	visible := "GLOBAL_SIGNATURE_VISIBILITY_ENABLED=false"
	for i, want := range [][]string{
		{visible, "SIGNATURE_ATTRIBUTE_XPATH_LOCATION=//a:b[1]", "SIGNATURE_ATTRIBUTE_TRANSFORM=XPATH2_FILTER",
			"SIGNATURE_ATTRIBUTE_CANONICAL=EXCLUSIVE_WITH_COMMENTS"},
		{visible},
		{visible, "SIGNATURE_ATTRIBUTE_TRANSFORM=XPATH"},
	} {
		var got []string
		for k := 0; ; k++ {
			at := fmt.Sprintf("documentList.%d.documentAttributes.%d.", i, k)
			key := resp.at(at + "attributeKey")
			if key == "" {
				break
			}
			got = append(got, key+"="+resp.at(at+"attributeValue"))
		}
		if !slices.Equal(got, want) {
			t.Errorf("document %d has the attributes %q, want %q", i, got, want)
		}
	}
}

// TestKeyReusedWithOtherOptions checks that a request with the same Idempotency-Key is another
// request if an option of the signature differs.
func TestKeyReusedWithOtherOptions(t *testing.T) {
	h := start(t, nil)
	for name, members := range map[string][2]string{
		"packaging": {`"signatureType":"CAdES"`, `"signatureType":"CAdES","packaging":"DETACHED"`},
		"existing":  {`"signatureType":"CAdES","existing":"WRAP"`, `"signatureType":"CAdES","existing":"COSIGN"`},
		"profile":   {`"signatureType":"XAdES"`, `"signatureType":"XAdES","profile":"baseline"`},
		"transform": {`"signatureType":"XAdES"`, `"signatureType":"XAdES","advancedSignatureInfo":{"signatureTransform":"XPATH"}`},
	} {
		send := func(members string) response {
			return h.do(request{
				path: "document/sign/base64", header: map[string]string{"Idempotency-Key": name},
				text: requestOf(name, ofType("a.xml", "text/xml", "<a/>", members)),
			})
		}
		first, again := send(members[0]), send(members[0])
		first.is(http.StatusOK, nil)
		again.is(http.StatusOK, map[string]string{"id": first.at("id")})
		send(members[1]).fails(http.StatusUnprocessableEntity, "0.0.6", "Idempotency-Key")
	}
}
