package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// edit returns a request with one valid document in which old is replaced by new.
func edit(old, new string) string {
	text := signRequest("bad", "%PDF-1.7 content")
	if !strings.Contains(text, old) {
		panic("nothing to replace: " + old)
	}
	return strings.Replace(text, old, new, 1)
}

// second returns a request whose second document is wrong in the same way.
func second(old, new string) string {
	good, bad := document("good", "%PDF"), edit(old, new)
	return strings.Replace(bad, `"documents":[`, `"documents":[`+good+`,`, 1)
}

// visible returns a request whose only document has these members of visibleSignatureInfo.
func visible(members string) string {
	return edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{`+members+`}`)
}

var (
	contentText = base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 content"))
	contentJSON = fmt.Sprintf(`"base64Content":%q`, contentText)
)

// answerOf is how a fault is reported: HTTP status and errorCode.
type answerOf struct {
	status int
	code   string
}

var (
	malformed = answerOf{400, "0.0.2"} // the text is malformed, or something is missing
	invalid   = answerOf{400, "0.0.6"}
	tooLarge  = answerOf{413, "0.0.4"}
)

// badRequest is a request that is refused, with its answer and a part of causeMessage.
type badRequest struct {
	name, text string
	want       answerOf
	cause      string
}

// malformedRequests are requests that are not the JSON text that is wanted.
var malformedRequests = []badRequest{
	{"not JSON", `<request/>`, malformed, "not JSON"},
	{"a form", `externalReference=1&description=2`, malformed, "not JSON"},
	{"nothing", ` `, malformed, "too early"},
	{"an array", `[]`, invalid, "must be an object"},
	{"null", `null`, invalid, "must be an object"},
	{"cut off in base64", edit(contentJSON, contentJSON)[:strings.Index(edit("x", "x"), contentText)+5],
		malformed, "documents[0].documentRequest.base64Content"},
	{"cut off in a name", `{"externalRef`, malformed, "too early"},
	{"something behind it", signRequest("bad", "%PDF") + "x", malformed, "something follows"},
	{"a name twice", edit(`"description":"test"`, `"description":"a","description":"b"`), malformed, "description"},
	{"documents twice", edit(`"description":"test"`, `"description":"a","documents":[]`), malformed, "documents"},
	{"not UTF-8", edit(`"test"`, "\"\xff\""), malformed, "description: is not UTF-8"},
}

// badTexts are requests with faults outside documentRequest and signatureInfo.
var badTexts = []badRequest{
	{"no externalReference", edit(`"externalReference":"bad",`, ``), malformed, "externalReference is missing"},
	{"externalReference null", edit(`"externalReference":"bad",`, `"externalReference":null,`),
		malformed, "externalReference is missing"},
	{"externalReference empty", edit(`"externalReference":"bad",`, `"externalReference":"",`),
		malformed, "externalReference is missing"},
	{"externalReference blank", edit(`"externalReference":"bad",`, `"externalReference":" ",`),
		malformed, "externalReference is missing"},
	// A number or a boolean is read as text, as the original does: TestScalarsInPlaceOfTexts.
	{"externalReference an object", edit(`"externalReference":"bad",`, `"externalReference":{"a":7},`),
		invalid, "externalReference: must be a string"},
	{"externalReference an array", edit(`"externalReference":"bad",`, `"externalReference":[7],`),
		invalid, "externalReference: must be a string"},
	{"externalReference no number", edit(`"externalReference":"bad",`, `"externalReference":007,`),
		malformed, "externalReference: not JSON"},
	{"externalReference a long number", edit(`"bad"`, strings.Repeat("7", 1025)), tooLarge, "externalReference"},
	{"externalReference with U+0000", edit(`"externalReference":"bad",`, `"externalReference":"a\u0000",`),
		invalid, "externalReference"},
	{"externalReference long", edit(`"bad"`, `"`+strings.Repeat("x", 1025)+`"`), tooLarge, "externalReference"},
	{"no description", edit(`,"description":"test"`, ``), malformed, "description is missing"},
	{"no documents", `{"externalReference":"bad","description":"d"}`, malformed, "documents is missing"},
	{"documents null", `{"externalReference":"bad","description":"d","documents":null}`,
		malformed, "documents is missing"},
	{"documents empty", `{"externalReference":"bad","description":"d","documents":[]}`,
		malformed, "documents is empty"},
	{"documents an object", `{"externalReference":"bad","description":"d","documents":{}}`,
		invalid, "documents: must be an array"},
	{"a document null", `{"externalReference":"bad","description":"d","documents":[null]}`,
		invalid, "documents[0]: must be an object"},
	{"returnSignedContent a word", edit(`"description"`, `"returnSignedContent":"no","description"`),
		invalid, "returnSignedContent"},
}

// badDocuments are requests with faults in documentRequest.
var badDocuments = []badRequest{
	{"no documentRequest",
		`{"externalReference":"bad","description":"d","documents":[{"signatureInfo":{"signatureType":"PAdES"}}]}`,
		malformed, "documents[0].documentRequest is missing"},
	{"no document reference", edit(`"externalReference":"doc-0",`, ``),
		malformed, "documents[0].documentRequest.externalReference is missing"},
	{"no name in the second", second(`"name":"a.pdf",`, ``),
		malformed, "documents[1].documentRequest.name is missing"},
	{"an empty name", edit(`"name":"a.pdf",`, `"name":"",`),
		malformed, "documents[0].documentRequest.name is missing"},
	{"no contentType", edit(`"contentType":"application/pdf",`, ``),
		malformed, "documents[0].documentRequest.contentType is missing"},
	{"an unknown contentType", edit(`application/pdf`, `image/png`),
		invalid, "documents[0].documentRequest.contentType"},
	{"a contentType that is not a media type", edit(`application/pdf`, `pdf;;;`),
		invalid, "documents[0].documentRequest.contentType"},
	{"a contentType that does not fit", edit(`application/pdf`, `text/xml`),
		invalid, `documentRequest.contentType: must be application/pdf with signatureType PAdES, not "text/xml"`},
	{"no content", edit(`,`+contentJSON, ``), malformed, "documents[0].documentRequest.base64Content is missing"},
	{"content null", edit(contentJSON, `"base64Content":null`),
		malformed, "documents[0].documentRequest.base64Content is missing"},
	{"an empty document", edit(contentJSON, `"base64Content":""`),
		malformed, "documents[0].documentRequest.base64Content is missing"},
	{"wrong base64 in the second", second(contentJSON, `"base64Content":"JVBE*i0x"`),
		invalid, "documents[1].documentRequest.base64Content: is not base64"},
	{"base64 without padding", edit(contentJSON, `"base64Content":"JVBERg"`),
		invalid, "documents[0].documentRequest.base64Content: is not base64"},
	{"base64 for URLs", edit(contentJSON, `"base64Content":"JVB_-i0x"`),
		invalid, "documents[0].documentRequest.base64Content: is not base64"},
	{"a data URL", edit(contentJSON, `"base64Content":"data:application/pdf;base64,`+contentText+`"`),
		invalid, "documents[0].documentRequest.base64Content: is not base64"},
	{"content a boolean", edit(contentJSON, `"base64Content":true`),
		invalid, "documents[0].documentRequest.base64Content: must be a string"},
	{"content a number", edit(contentJSON, `"base64Content":1`),
		invalid, "documents[0].documentRequest.base64Content: must be a string"},
}

// badSignatureInfos are requests with faults in signatureInfo.
var badSignatureInfos = []badRequest{
	{"no signatureInfo", edit(`,"signatureInfo":{"signatureType":"PAdES"}`, ``),
		malformed, "documents[0].signatureInfo is missing"},
	{"no signatureType", edit(`"signatureType":"PAdES"`, ``),
		malformed, "documents[0].signatureInfo.signatureType is missing"},
	{"an unknown signatureType", edit(`"PAdES"`, `"pades"`), invalid, "documents[0].signatureInfo.signatureType"},
	{"XAdES", strings.Replace(edit(`application/pdf`, `text/xml`), "PAdES", "XAdES", 1),
		invalid, "documents[0].signatureInfo.signatureType: XAdES is not available"},
	{"CAdES", edit(`"PAdES"`, `"CAdES"`), invalid, "documents[0].signatureInfo.signatureType: CAdES is not available"},
	{"an unknown level", edit(`"PAdES"`, `"PAdES","level":"B-X"`), invalid, "documents[0].signatureInfo.level"},
	{"a level that contradicts", edit(`"PAdES"`, `"PAdES","level":"B-B","applyTimestamp":true`),
		invalid, "documents[0].signatureInfo.level"},
	{"applyTimestamp a word", edit(`"PAdES"`, `"PAdES","applyTimestamp":"yes"`),
		invalid, "documents[0].signatureInfo.applyTimestamp: must be true or false"},
	{"applyTimestamp an array", edit(`"PAdES"`, `"PAdES","applyTimestamp":[true]`),
		invalid, "documents[0].signatureInfo.applyTimestamp: must be true or false"},
	{"visible without a place", visible(`"locationValue":"x"`),
		malformed, "documents[0].signatureInfo.visibleSignatureInfo.locationType"},
	{"visible at an unknown place", visible(`"locationType":"MIDDLE","locationValue":"x"`),
		invalid, "documents[0].signatureInfo.visibleSignatureInfo.locationType"},
	{"visible on page 0", visible(`"locationType":"COORDINATE","locationValue":"page=0,x=1,y=1"`),
		invalid, "documents[0].signatureInfo.visibleSignatureInfo.locationValue"},
	{"an image that is not base64", visible(`"imageValue":"*"`),
		invalid, "documents[0].signatureInfo.visibleSignatureInfo.imageValue"},
	{"an image type alone",
		visible(`"locationType":"PLACEHOLDER","locationValue":"x","imageType":"IMAGE_PNG"`),
		malformed, "imageValue"},
	{"a large image", visible(`"imageValue":"` + strings.Repeat("AAAA", 100) + `"`),
		tooLarge, "documents[0].signatureInfo.visibleSignatureInfo.imageValue is larger than 200 bytes"},
}

// largeRequests are requests that exceed the limits of limited.
var largeRequests = []badRequest{
	{"a large document", edit(contentText, strings.Repeat("AAAA", 400)),
		tooLarge, "documents[0].documentRequest.base64Content is larger than 1000 bytes"},
	{"many documents", signRequest("bad", "1", "2", "3", "4"), tooLarge, "documents: more than 3"},
	{"much beside content", edit(`"PAdES"`,
		`"PAdES","reason":"`+strings.Repeat("r", 1000)+`","location":"`+strings.Repeat("l", 1000)+`"`),
		tooLarge, "beside content"},
	{"deep", strings.Repeat(`{"a":`, 100), tooLarge, "nested deeper"},
	{"a large preservationInfo", edit(`"description"`,
		`"preservationInfo":{"a":"`+strings.Repeat("x", 70_000)+`"},"description"`),
		tooLarge, "preservationInfo"},
	{"a large body", `{"unknown":"` + strings.Repeat("x", 200_000) + `"}`,
		tooLarge, "the body is larger than 100000 bytes"},
}

var badRequests = slices.Concat(malformedRequests, badTexts, badDocuments, badSignatureInfos, largeRequests)

func limited(h *harness) {
	h.cfg.MaxBodyBytes, h.cfg.MaxDocumentBytes, h.cfg.MaxDocuments = 100_000, 1000, 3
	h.cfg.MaxImageBytes, h.cfg.MaxMetadataBytes = 200, 1500
	h.cfg.SignatureTypes = []signing.SignatureType{signing.PAdES}
}

// TestBadRequests checks that a bad request is refused with an error that names the field, and that
// nothing is kept of it.
func TestBadRequests(t *testing.T) {
	h := start(t, limited)
	for _, tt := range badRequests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.schema = t, loadSchemas(t)
			for _, r := range []request{
				{path: "document/sign/base64/", text: tt.text},
				{path: "document/sign/async/base64/", text: tt.text},
				// In pieces, and without a length announced.
				{path: "document/sign/base64/", body: iotest.OneByteReader(strings.NewReader(tt.text))},
			} {
				h.do(r).fails(tt.want.status, tt.want.code, tt.cause)
			}
		})
	}
	h.t = t
	h.nothingKept("bad")
}

// nothingKept makes sure that no operation exists and no upload is left.
func (h *harness) nothingKept(reference string) {
	h.t.Helper()
	if n := h.store.open.Load(); n != 0 {
		h.t.Errorf("%d uploads are left", n)
	}
	if ids, err := h.store.Unfinished(h.t.Context()); len(ids) != 0 || err != nil {
		h.t.Errorf("operations %v, %v are left", ids, err)
	}
	if ops, err := h.store.FindByReference(h.t.Context(), alice, reference); len(ops) != 0 || err != nil {
		h.t.Errorf("operations %v, %v are left", ops, err)
	}
}

// TestBadRequestsWithTheVendorsStatus checks that StrictVendorStatus answers 500, with the same
// code.
func TestBadRequestsWithTheVendorsStatus(t *testing.T) {
	h := start(t, func(h *harness) { limited(h); h.cfg.StrictVendorStatus = true })
	sign := func(text string) request { return request{path: "document/sign/base64/", text: text} }
	for _, tt := range badRequests {
		resp := h.do0(sign(tt.text))
		if resp.Code != http.StatusInternalServerError || resp.at("errorCode") != tt.want.code {
			t.Errorf("%s: answer = %d %.200s, want 500 %s", tt.name, resp.Code, resp.text, tt.want.code)
		}
	}
	h.do(sign(signRequest("r", "%PDF"))).is(http.StatusOK, nil)
	h.do(sign(signRequest("r", "%PDF"))).fails(http.StatusConflict, "0.0.7", "")
	h.do(sign(signRequest("s", "fail:visible-signature:x"))).fails(http.StatusBadRequest, "2.2.1", "x")
}
