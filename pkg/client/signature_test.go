package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// wantInfos are the signatureInfo objects of TestEachDocumentSaysHowToSign.
var wantInfos = []string{
	`{"signatureType":"PAdES","reason":"why"}`,
	`{"signatureType":"XAdES","profile":"facturae","advancedSignatureInfo":{"signatureLocation":"a/b",` +
		`"signatureTransform":"XPATH","canonicalTransform":"EXCLUSIVE"}}`,
	`{"signatureType":"CAdES","packaging":"DETACHED","existing":"WRAP"}`,
}

// TestEachDocumentSaysHowToSign: documents of one request may be signed in different ways, and the
// answer names the signed documents.
func TestEachDocumentSaysHowToSign(t *testing.T) {
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		var got struct {
			Documents []struct {
				SignatureInfo json.RawMessage
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Errorf("read request: %v", err)
		}
		var infos []string
		for _, d := range got.Documents {
			infos = append(infos, string(d.SignatureInfo))
		}
		if !slices.Equal(infos, wantInfos) {
			t.Errorf("signatureInfo = %q, want %q", infos, wantInfos)
		}
		fmt.Fprint(w, `{"id":7,"status":"EXECUTED","documentList":[
			{"name":"0.pdf","contentType":"application/pdf","signStatus":"SIGNED"},
			{"name":"1.pdf","contentType":"application/xml","signStatus":"SIGNED"},
			{"name":"2.pdf","contentType":"text/plain","signStatus":"SIGNED","signedName":"2.pdf.p7s",
				"signedContentType":"application/pkcs7-signature"}]}`)
	})
	docs := documents("one", "two", "three")
	docs[1].Signature = &SignatureInfo{Type: "XAdES", Profile: "facturae",
		Advanced: &Advanced{SignatureLocation: "a/b", SignatureTransform: "XPATH", CanonicalTransform: "EXCLUSIVE"}}
	docs[2].Signature = &SignatureInfo{Type: "CAdES", Packaging: "DETACHED", Existing: "WRAP"}
	op, err := c.Sign(t.Context(), &Request{
		Reference: "r", Signature: SignatureInfo{Type: "PAdES", Reason: "why"}, Documents: docs,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	for i := range op.Documents {
		results = append(results, op.Documents[i].ResultName()+" "+op.Documents[i].ResultContentType())
	}
	want := []string{"0.pdf application/pdf", "1.pdf application/xml", "2.pdf.p7s application/pkcs7-signature"}
	if !slices.Equal(results, want) {
		t.Errorf("results are %q, want %q", results, want)
	}
}
