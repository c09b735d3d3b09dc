package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestAnyOrderUnknownFieldsAndNulls checks that members come in any order, that unknown ones are
// ignored, and that null counts as missing.
func TestAnyOrderUnknownFieldsAndNulls(t *testing.T) {
	h := start(t, nil)
	text := `{"documents": [{
			"unknown": {"deep": [{"er": [1,2,{}]}]},
			"signatureInfo": {"location": null, "applyTimestamp": false, "visibleSignatureInfo": null, "signatureType": "PAdES",
				"advancedSignatureInfo": {"signatureTransform": "IGNORED FOR PDF"}},
			"documentRequest": {"base64Content": "` + contentText + `", "contentType": "application/pdf; charset=binary",
				"unknown": 1e5, "name": "n", "externalReference": "d"}}],
		"returnSignedContent": null, "unknown": [[["x"]]], "preservationInfo": {"alias":"a","preserveContent":false},
		"description": "d", "externalReference": "any"}`
	resp := h.do(request{path: "document/sign/base64", text: text})
	resp.is(http.StatusOK, map[string]string{
		"status":                     "EXECUTED",
		"documentList.0.name":        "n",
		"documentList.0.contentType": "application/pdf; charset=binary",
	})
	resp.signed("documentList.0.signedContent", "%PDF-1.7 content")
	ops, err := h.store.FindByReference(t.Context(), alice, "any")
	if err != nil || len(ops) != 1 || ops[0].Preservation != `{"alias":"a","preserveContent":false}` ||
		!ops[0].ReturnContent {
		t.Errorf("stored operation = %+v, %v", ops, err)
	}
}

// TestScalarsInPlaceOfTexts checks that numbers and booleans are read as texts, and texts as
// booleans. Such a request is the same as one that is written as described, also for its
// Idempotency-Key.
func TestScalarsInPlaceOfTexts(t *testing.T) {
	h := start(t, nil)
	plain := strings.NewReplacer(
		`"doc-0"`, `"7.50"`,
		`"test"`, `"true"`,
		`"PAdES"`, `"PAdES","reason":"-1e3","applyTimestamp":true`,
	).Replace(signRequest("20260001", "%PDF"))
	plain = strings.Replace(plain, "{", `{"returnSignedContent":false,`, 1)
	loose := strings.NewReplacer(
		`"7.50"`, `7.50`,
		`"true"`, `true`,
		`"-1e3"`, `-1e3`,
		`"20260001"`, `20260001`,
		`:true`, `:"true"`,
		`:false`, `:"false"`,
	).Replace(plain)
	key := map[string]string{"Idempotency-Key": "scalars"}
	first := h.do(request{path: "document/sign/async/base64", text: loose, header: key})
	first.is(http.StatusAccepted, map[string]string{"externalReference": "20260001"})
	again := h.do(request{path: "document/sign/async/base64", text: plain, header: key})
	if again.Code != http.StatusAccepted || again.at("id") != first.at("id") {
		t.Errorf("the same as described = %d %.200s, want the first operation", again.Code, again.text)
	}
	ops, err := h.store.FindByReference(t.Context(), alice, "20260001")
	if err != nil || len(ops) != 1 || ops[0].Description != "true" || ops[0].ReturnContent {
		t.Fatalf("stored operation = %+v, %v", ops, err)
	}
	docs, err := h.store.Documents(t.Context(), ops[0].ID, 0, 1)
	if err != nil || docs[0].ExternalReference != "7.50" || docs[0].Signature.Reason != "-1e3" ||
		docs[0].Signature.Level != signing.LevelT {
		t.Errorf("stored document = %+v, %v", docs, err)
	}
}

// TestLevels checks which level is asked for by level and applyTimestamp.
func TestLevels(t *testing.T) {
	h := start(t, nil)
	tests := []struct {
		info string
		want signing.Level
	}{
		{``, signing.LevelB},
		{`,"applyTimestamp":false`, signing.LevelB},
		{`,"applyTimestamp":true`, signing.LevelT},
		{`,"level":"B-B"`, signing.LevelB},
		{`,"level":"B-T"`, signing.LevelT},
		{`,"level":"B-LT","applyTimestamp":true`, signing.LevelLT},
		{`,"level":"B-LTA"`, signing.LevelLTA},
	}
	for i, tt := range tests {
		text := strings.Replace(signRequest(fmt.Sprint("r", i), "%PDF"), `"PAdES"`, `"PAdES"`+tt.info, 1)
		resp := h.do(request{path: "document/sign/async/base64", text: text})
		resp.is(http.StatusAccepted, nil)
		ops, err := h.store.FindByReference(t.Context(), alice, fmt.Sprint("r", i))
		if err != nil || len(ops) != 1 {
			t.Fatalf("FindByReference = %v, %v", ops, err)
		}
		docs, err := h.store.Documents(t.Context(), ops[0].ID, 0, 1)
		if err != nil || docs[0].Signature.Level != tt.want {
			t.Errorf("%s: level = %v, %v, want %s", tt.info, docs, err, tt.want)
		}
	}
}

// TestEqualImagesAreKeptOnce checks that equal images of several documents are stored once.
func TestEqualImagesAreKeptOnce(t *testing.T) {
	h := start(t, nil)
	visible := `"PAdES","visibleSignatureInfo":{"imageValue":"iVBORw0KGgo=","imageType":"IMAGE_PNG",` +
		`"locationType":"PLACEHOLDER","locationValue":"X"}`
	text := strings.ReplaceAll(signRequest("images", "%PDF one", "%PDF two"), `"PAdES"`, visible)
	h.do(request{path: "document/sign/base64", text: text}).is(http.StatusOK, nil)
	ops, _ := h.store.FindByReference(t.Context(), alice, "images")
	docs, err := h.store.Documents(t.Context(), ops[0].ID, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	one, two := docs[0].Signature.Visible.Image, docs[1].Signature.Visible.Image
	if one == nil || two == nil || one.File != two.File || one.Size != 8 {
		t.Errorf("images = %+v and %+v, want one file of 8 bytes", one, two)
	}
}
