package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
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

var (
	contentText = base64.StdEncoding.EncodeToString([]byte("%PDF-1.7 content"))
	contentJSON = fmt.Sprintf(`"base64Content":%q`, contentText)
)

var badRequests = []struct {
	name, text string
	status     int
	code       string
	cause      string
}{
	{"not JSON", `<request/>`, 400, "0.0.2", "not JSON"},
	{"a form", `externalReference=1&description=2`, 400, "0.0.2", "not JSON"},
	{"nothing", ` `, 400, "0.0.2", "too early"},
	{"an array", `[]`, 400, "0.0.6", "must be an object"},
	{"null", `null`, 400, "0.0.6", "must be an object"},
	{
		"cut off in base64",
		edit(contentJSON, contentJSON)[:strings.Index(edit("x", "x"), contentText)+5],
		400,
		"0.0.2",
		"documents[0].documentRequest.base64Content",
	},
	{"cut off in a name", `{"externalRef`, 400, "0.0.2", "too early"},
	{"something behind it", signRequest("bad", "%PDF") + "x", 400, "0.0.2", "something follows"},
	{"a name twice", edit(`"description":"test"`, `"description":"a","description":"b"`), 400, "0.0.2", "description"},
	{"documents twice", edit(`"description":"test"`, `"description":"a","documents":[]`), 400, "0.0.2", "documents"},
	{"not UTF-8", edit(`"test"`, "\"\xff\""), 400, "0.0.2", "description: is not UTF-8"},

	{"no externalReference", edit(`"externalReference":"bad",`, ``), 400, "0.0.2", "externalReference is missing"},
	{
		"externalReference null",
		edit(`"externalReference":"bad",`, `"externalReference":null,`),
		400,
		"0.0.2",
		"externalReference is missing",
	},
	{
		"externalReference empty",
		edit(`"externalReference":"bad",`, `"externalReference":"",`),
		400,
		"0.0.2",
		"externalReference is missing",
	},
	{
		"externalReference blank",
		edit(`"externalReference":"bad",`, `"externalReference":" ",`),
		400,
		"0.0.2",
		"externalReference is missing",
	},
	// A number or a boolean is taken for its text, as the original does it: TestScalarsInPlaceOfTexts.
	{
		"externalReference an object",
		edit(`"externalReference":"bad",`, `"externalReference":{"a":7},`),
		400,
		"0.0.6",
		"externalReference: must be a string",
	},
	{
		"externalReference an array",
		edit(`"externalReference":"bad",`, `"externalReference":[7],`),
		400,
		"0.0.6",
		"externalReference: must be a string",
	},
	{
		"externalReference no number",
		edit(`"externalReference":"bad",`, `"externalReference":007,`),
		400,
		"0.0.2",
		"externalReference: not JSON",
	},
	{"externalReference a long number", edit(`"bad"`, strings.Repeat("7", 1025)), 413, "0.0.4", "externalReference"},
	{
		"externalReference with U+0000",
		edit(`"externalReference":"bad",`, `"externalReference":"a\u0000",`),
		400,
		"0.0.6",
		"externalReference",
	},
	{"externalReference long", edit(`"bad"`, `"`+strings.Repeat("x", 1025)+`"`), 413, "0.0.4", "externalReference"},
	{"no description", edit(`,"description":"test"`, ``), 400, "0.0.2", "description is missing"},
	{"no documents", `{"externalReference":"bad","description":"d"}`, 400, "0.0.2", "documents is missing"},
	{
		"documents null",
		`{"externalReference":"bad","description":"d","documents":null}`,
		400,
		"0.0.2",
		"documents is missing",
	},
	{
		"documents empty",
		`{"externalReference":"bad","description":"d","documents":[]}`,
		400,
		"0.0.2",
		"documents is empty",
	},
	{
		"documents an object",
		`{"externalReference":"bad","description":"d","documents":{}}`,
		400,
		"0.0.6",
		"documents: must be an array",
	},
	{
		"a document null",
		`{"externalReference":"bad","description":"d","documents":[null]}`,
		400,
		"0.0.6",
		"documents[0]: must be an object",
	},
	{
		"returnSignedContent a word",
		edit(`"description"`, `"returnSignedContent":"no","description"`),
		400,
		"0.0.6",
		"returnSignedContent",
	},

	{
		"no documentRequest",
		`{"externalReference":"bad","description":"d","documents":[{"signatureInfo":{"signatureType":"PAdES"}}]}`,
		400,
		"0.0.2",
		"documents[0].documentRequest is missing",
	},
	{
		"no document reference",
		edit(`"externalReference":"doc-0",`, ``),
		400,
		"0.0.2",
		"documents[0].documentRequest.externalReference is missing",
	},
	{"no name in the second", second(`"name":"a.pdf",`, ``), 400, "0.0.2", "documents[1].documentRequest.name is missing"},
	{"an empty name", edit(`"name":"a.pdf",`, `"name":"",`), 400, "0.0.2", "documents[0].documentRequest.name is missing"},
	{
		"no contentType",
		edit(`"contentType":"application/pdf",`, ``),
		400,
		"0.0.2",
		"documents[0].documentRequest.contentType is missing",
	},
	{
		"an unknown contentType",
		edit(`application/pdf`, `image/png`),
		400,
		"0.0.6",
		"documents[0].documentRequest.contentType",
	},
	{
		"a contentType that is none",
		edit(`application/pdf`, `pdf;;;`),
		400,
		"0.0.6",
		"documents[0].documentRequest.contentType",
	},
	{
		"a contentType that does not fit",
		edit(`application/pdf`, `text/xml`),
		400,
		"0.0.6",
		"documents[0].documentRequest.contentType: does not fit signatureType PAdES",
	},
	{"no content", edit(`,`+contentJSON, ``), 400, "0.0.2", "documents[0].documentRequest.base64Content is missing"},
	{
		"content null",
		edit(contentJSON, `"base64Content":null`),
		400,
		"0.0.2",
		"documents[0].documentRequest.base64Content is missing",
	},
	{
		"an empty document",
		edit(contentJSON, `"base64Content":""`),
		400,
		"0.0.2",
		"documents[0].documentRequest.base64Content is missing",
	},
	{
		"wrong base64 in the second",
		second(contentJSON, `"base64Content":"JVBE*i0x"`),
		400,
		"0.0.6",
		"documents[1].documentRequest.base64Content: is not base64",
	},
	{
		"base64 without padding",
		edit(contentJSON, `"base64Content":"JVBERg"`),
		400,
		"0.0.6",
		"documents[0].documentRequest.base64Content: is not base64",
	},
	{
		"base64 for URLs",
		edit(contentJSON, `"base64Content":"JVB_-i0x"`),
		400,
		"0.0.6",
		"documents[0].documentRequest.base64Content: is not base64",
	},
	{
		"a data URL",
		edit(contentJSON, `"base64Content":"data:application/pdf;base64,`+contentText+`"`),
		400,
		"0.0.6",
		"documents[0].documentRequest.base64Content: is not base64",
	},
	{
		"content a boolean",
		edit(contentJSON, `"base64Content":true`),
		400,
		"0.0.6",
		"documents[0].documentRequest.base64Content: must be a string",
	},
	{
		"content a number",
		edit(contentJSON, `"base64Content":1`),
		400,
		"0.0.6",
		"documents[0].documentRequest.base64Content: must be a string",
	},

	{
		"no signatureInfo",
		edit(`,"signatureInfo":{"signatureType":"PAdES"}`, ``),
		400,
		"0.0.2",
		"documents[0].signatureInfo is missing",
	},
	{
		"no signatureType",
		edit(`"signatureType":"PAdES"`, ``),
		400,
		"0.0.2",
		"documents[0].signatureInfo.signatureType is missing",
	},
	{"an unknown signatureType", edit(`"PAdES"`, `"pades"`), 400, "0.0.6", "documents[0].signatureInfo.signatureType"},
	{
		"XAdES",
		edit(
			`"application/pdf","base64Content":"`+contentText+`"},"signatureInfo":{"signatureType":"PAdES"`,
			`"text/xml","base64Content":"`+contentText+`"},"signatureInfo":{"signatureType":"XAdES"`,
		),
		400,
		"0.0.6",
		"documents[0].signatureInfo.signatureType: XAdES is not available",
	},
	{
		"CAdES",
		edit(`"PAdES"`, `"CAdES"`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.signatureType: CAdES is not available",
	},
	{"an unknown level", edit(`"PAdES"`, `"PAdES","level":"B-X"`), 400, "0.0.6", "documents[0].signatureInfo.level"},
	{
		"a level that contradicts",
		edit(`"PAdES"`, `"PAdES","level":"B-B","applyTimestamp":true`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.level",
	},
	{
		"applyTimestamp a word",
		edit(`"PAdES"`, `"PAdES","applyTimestamp":"yes"`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.applyTimestamp: must be true or false",
	},
	{
		"applyTimestamp an array",
		edit(`"PAdES"`, `"PAdES","applyTimestamp":[true]`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.applyTimestamp: must be true or false",
	},
	{
		"visible without a place",
		edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{"locationValue":"x"}`),
		400,
		"0.0.2",
		"documents[0].signatureInfo.visibleSignatureInfo.locationType",
	},
	{
		"visible at an unknown place",
		edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{"locationType":"MIDDLE","locationValue":"x"}`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.visibleSignatureInfo.locationType",
	},
	{
		"visible on page 0",
		edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{"locationType":"COORDINATE","locationValue":"page=0,x=1,y=1"}`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.visibleSignatureInfo.locationValue",
	},
	{
		"an image that is not base64",
		edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{"imageValue":"*"}`),
		400,
		"0.0.6",
		"documents[0].signatureInfo.visibleSignatureInfo.imageValue",
	},
	{
		"an image type alone",
		edit(
			`"PAdES"`,
			`"PAdES","visibleSignatureInfo":{"locationType":"PLACEHOLDER","locationValue":"x","imageType":"IMAGE_PNG"}`,
		),
		400,
		"0.0.2",
		"imageValue",
	},
	{
		"a large image",
		edit(`"PAdES"`, `"PAdES","visibleSignatureInfo":{"imageValue":"`+strings.Repeat("AAAA", 100)+`"}`),
		413,
		"0.0.4",
		"documents[0].signatureInfo.visibleSignatureInfo.imageValue is larger than 200 bytes",
	},

	{
		"a large document",
		edit(contentText, strings.Repeat("AAAA", 400)),
		413,
		"0.0.4",
		"documents[0].documentRequest.base64Content is larger than 1000 bytes",
	},
	{"many documents", signRequest("bad", "1", "2", "3", "4"), 413, "0.0.4", "documents: more than 3"},
	{
		"much beside content",
		edit(`"PAdES"`, `"PAdES","reason":"`+strings.Repeat("r", 1000)+`","location":"`+strings.Repeat("l", 1000)+`"`),
		413,
		"0.0.4",
		"beside content",
	},
	{"deep", strings.Repeat(`{"a":`, 100), 413, "0.0.4", "nested deeper"},
	{
		"a large preservationInfo",
		edit(`"description"`, `"preservationInfo":{"a":"`+strings.Repeat("x", 70_000)+`"},"description"`),
		413,
		"0.0.4",
		"preservationInfo",
	},
	{
		"a large body",
		`{"unknown":"` + strings.Repeat("x", 200_000) + `"}`,
		413,
		"0.0.4",
		"the body is larger than 100000 bytes",
	},
}

func limited(h *harness) {
	h.cfg.MaxBodyBytes, h.cfg.MaxDocumentBytes, h.cfg.MaxDocuments, h.cfg.MaxImageBytes, h.cfg.MaxMetadataBytes = 100_000, 1000, 3, 200, 1500
}

func TestBadRequests(t *testing.T) {
	h := start(t, limited)
	for _, tt := range badRequests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.schema = t, loadSchemas(t)
			for _, path := range []string{"document/sign/base64/", "document/sign/async/base64/"} {
				h.do(request{path: path, text: tt.text}).fails(tt.status, tt.code, tt.cause)
			}
			// In pieces, and without a length announced.
			h.do(
				request{path: "document/sign/base64/", body: iotest.OneByteReader(strings.NewReader(tt.text))},
			).fails(
				tt.status,
				tt.code,
				tt.cause,
			)
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

func TestBadRequestsWithTheVendorsStatus(t *testing.T) {
	h := start(t, func(h *harness) { limited(h); h.cfg.StrictVendorStatus = true })
	for _, tt := range badRequests {
		if resp := h.do0(
			request{path: "document/sign/base64/", text: tt.text},
		); resp.Code != 500 ||
			resp.at("errorCode") != tt.code {
			t.Errorf("%s: answer = %d %.200s, want 500 %s", tt.name, resp.Code, resp.text, tt.code)
		}
	}
	h.do(request{path: "document/sign/base64/", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
	h.do(request{path: "document/sign/base64/", text: signRequest("r", "%PDF")}).fails(http.StatusConflict, "0.0.7", "")
	h.do(
		request{path: "document/sign/base64/", text: signRequest("s", "fail:visible-signature:x")},
	).fails(
		http.StatusBadRequest,
		"2.2.1",
		"x",
	)
}

func TestMultipartFaults(t *testing.T) {
	h := start(t, limited)
	one, two := multipartRequest("bad", 1), multipartRequest("bad", 2)
	tests := []struct {
		name, body string
		status     int
		code       string
		cause      string
	}{
		{
			"fewer files",
			form(part("signRequest", two), part("files", "%PDF")),
			400,
			"0.0.6",
			"files: there are 1 parts for 2 documents",
		},
		{
			"more files",
			form(part("files", "%PDF"), part("files", "%PDF"), part("signRequest", one)),
			400,
			"0.0.6",
			"files: there are 2 parts for 1 documents",
		},
		{
			"no file",
			form(part("signRequest", one)),
			400,
			"0.0.6",
			`files: there are 0 parts for 1 documents; the parts that came: "signRequest"`,
		},
		{
			"no signRequest",
			form(part("files", "%PDF")),
			400,
			"0.0.2",
			`signRequest: the part is missing; the parts that came: "files"`,
		},
		{
			"two signRequests",
			form(part("signRequest", one), part("signRequest", one), part("files", "%PDF")),
			400,
			"0.0.2",
			"signRequest",
		},
		{
			"an empty file",
			form(part("signRequest", two), part("files", "%PDF"), part("files", "")),
			400,
			"0.0.2",
			"files[1] is missing or empty",
		},
		{"signRequest not JSON", form(part("signRequest", "x"), part("files", "%PDF")), 400, "0.0.2", "not JSON"},
		{
			"content in it all the same",
			form(part("signRequest", signRequest("bad", "x")), part("files", "%PDF")),
			400,
			"0.0.6",
			"documents[0].documentRequest.base64Content",
		},
		{"cut off in a file", form(part("signRequest", one), part("files", "%PDF one"))[:350], 400, "0.0.2", "multipart"},
		{
			"cut off in a part's header",
			form(part("signRequest", one), part("files", "%PDF"))[:330],
			400,
			"0.0.6",
			`files: there are 0 parts for 1 documents; the parts that came: "signRequest"`,
		},
		{
			"cut off before the end",
			strings.TrimSuffix(form(part("signRequest", one), part("files", "%PDF")), "--cut--\r\n"),
			400,
			"0.0.2",
			"multipart",
		},
		{"nothing", "--cut--\r\n", 400, "0.0.2", "signRequest: the part is missing; no part came"},
		{"not a form", "{}", 400, "0.0.2", "multipart"},
		{
			"a large file",
			form(part("signRequest", one), part("files", strings.Repeat("x", 2000))),
			413,
			"0.0.4",
			"files[0] is larger than 1000 bytes",
		},
		{
			"many files",
			form(part("files", "1"), part("files", "2"), part("files", "3"), part("files", "4")),
			413,
			"0.0.4",
			"files: more than 3",
		},
		{"a large body", form(part("other", strings.Repeat("x", 200_000))), 413, "0.0.4", "the body is larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			for _, path := range []string{"document/sign/", "document/sign/async/"} {
				h.do(request{path: path, text: tt.body, header: formType}).fails(tt.status, tt.code, tt.cause)
			}
		})
	}
	h.t = t
	h.do(
		request{path: "document/sign/", text: form(), header: map[string]string{"Content-Type": "application/json"}},
	).fails(
		http.StatusUnsupportedMediaType,
		"415",
		"multipart/form-data",
	)
	h.do(
		request{path: "document/sign/", text: form(), header: map[string]string{"Content-Type": "multipart/form-data"}},
	).fails(
		http.StatusUnsupportedMediaType,
		"415",
		"boundary",
	)
	h.do(
		request{path: "document/sign/base64/", text: "x", header: map[string]string{"Content-Encoding": "gzip"}},
	).fails(
		http.StatusUnsupportedMediaType,
		"415",
		"Content-Encoding",
	)
	h.nothingKept("bad")
}

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

func TestMultipart(t *testing.T) {
	h := start(t, nil)
	bodies := map[string]string{
		"signRequest first": form(
			part("signRequest", multipartRequest("first", 2)),
			part("files", "%PDF one"),
			part("files", "%PDF two"),
		),
		"signRequest last": form(
			part("files", "%PDF one"),
			part("files", "%PDF two"),
			part("signRequest", multipartRequest("last", 2)),
		),
		"signRequest between": form(
			part("files", "%PDF one"),
			part("signRequest", multipartRequest("mid", 2)),
			part("other", "x"),
			part("files", "%PDF two"),
		),
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
	h.do(
		request{
			path:   "document/sign/async/",
			text:   form(part("files", "%PDF"), part("signRequest", multipartRequest("later", 1))),
			header: formType,
		},
	).
		is(
			http.StatusAccepted,
			map[string]string{"externalReference": "later"},
		)
}

// TestLoosePartNames: what programs write around the name of a file.
func TestLoosePartNames(t *testing.T) {
	h := start(t, nil)
	send := func(reference, disposition string) response {
		text := form(
			part("signRequest", multipartRequest(reference, 1)),
			"--cut\r\nContent-Disposition: "+disposition+"\r\n\r\n%PDF one\r\n",
		)
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
		send(
			"bad",
			disposition,
		).fails(
			http.StatusBadRequest,
			"0.0.6",
			`files: there are 0 parts for 1 documents; the parts that came: "signRequest", `,
		)
	}
}

func TestAnyOrderUnknownFieldsAndNulls(t *testing.T) {
	h := start(t, nil)
	text := `{"documents":[{"unknown":{"deep":[{"er":[1,2,{}]}]},"signatureInfo":{"location":null,"applyTimestamp":false,"visibleSignatureInfo":null,"signatureType":"PAdES",
		"advancedSignatureInfo":{"signatureTransform":"IGNORED FOR PDF"}},
		"documentRequest":{"base64Content":"` + contentText + `","contentType":"application/pdf; charset=binary","unknown":1e5,"name":"n","externalReference":"d"}}],
		"returnSignedContent":null,"unknown":[[["x"]]],"preservationInfo":{"alias":"a","preserveContent":false},"description":"d","externalReference":"any"}`
	resp := h.do(request{path: "document/sign/base64", text: text})
	resp.is(
		http.StatusOK,
		map[string]string{
			"status":                     "EXECUTED",
			"documentList.0.name":        "n",
			"documentList.0.contentType": "application/pdf; charset=binary",
		},
	)
	resp.signed("documentList.0.signedContent", "%PDF-1.7 content")
	ops, err := h.store.FindByReference(t.Context(), alice, "any")
	if err != nil || len(ops) != 1 || ops[0].Preservation != `{"alias":"a","preserveContent":false}` ||
		!ops[0].ReturnContent {
		t.Errorf("stored operation = %+v, %v", ops, err)
	}
}

// TestScalarsInPlaceOfTexts: such a request is the same as one that is written as described, down
// to its Idempotency-Key.
func TestScalarsInPlaceOfTexts(t *testing.T) {
	h := start(t, nil)
	plain := strings.NewReplacer(
		`"doc-0"`,
		`"7.50"`,
		`"test"`,
		`"true"`,
		`"PAdES"`,
		`"PAdES","reason":"-1e3","applyTimestamp":true`,
	).Replace(
		signRequest("20260001", "%PDF"),
	)
	plain = strings.Replace(plain, "{", `{"returnSignedContent":false,`, 1)
	loose := strings.NewReplacer(
		`"7.50"`,
		`7.50`,
		`"true"`,
		`true`,
		`"-1e3"`,
		`-1e3`,
		`"20260001"`,
		`20260001`,
		`:true`,
		`:"true"`,
		`:false`,
		`:"false"`,
	).Replace(
		plain,
	)
	key := map[string]string{"Idempotency-Key": "scalars"}
	first := h.do(request{path: "document/sign/async/base64", text: loose, header: key})
	first.is(http.StatusAccepted, map[string]string{"externalReference": "20260001"})
	if again := h.do(
		request{path: "document/sign/async/base64", text: plain, header: key},
	); again.Code != http.StatusAccepted ||
		again.at("id") != first.at("id") {
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

func TestLevels(t *testing.T) {
	h := start(t, nil)
	tests := []struct {
		info string
		want signing.Level
	}{
		{
			``,
			signing.LevelB,
		},
		{`,"applyTimestamp":false`, signing.LevelB},
		{`,"applyTimestamp":true`, signing.LevelT},
		{`,"level":"B-B"`, signing.LevelB},
		{
			`,"level":"B-T"`,
			signing.LevelT,
		},
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

func TestEqualImagesAreKeptOnce(t *testing.T) {
	h := start(t, nil)
	visible := `"PAdES","visibleSignatureInfo":{"imageValue":"iVBORw0KGgo=","imageType":"IMAGE_PNG","locationType":"PLACEHOLDER","locationValue":"X"}`
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

// TestOtherSignatureTypes: what holds for XAdES and CAdES once they are there.
func TestOtherSignatureTypes(t *testing.T) {
	h := start(t, func(h *harness) {
		h.cfg.SignatureTypes = []signing.SignatureType{signing.PAdES, signing.XAdES, signing.CAdES}
	})
	tests := []struct{ contentType, info, cause string }{
		{"text/xml", `"signatureType":"XAdES"`, ""},
		{
			"application/xml",
			`"signatureType":"XAdES","advancedSignatureInfo":{"signatureLocation":"/a/b","signatureTransform":"XPATH","canonicalTransform":"EXCLUSIVE"}`,
			"",
		},
		{"application/pdf", `"signatureType":"CAdES"`, ""},
		{"application/octet-stream", `"signatureType":"CAdES"`, ""},
		{"application/pdf", `"signatureType":"XAdES"`, "documentRequest.contentType: does not fit signatureType XAdES"},
		{"image/png", `"signatureType":"XAdES"`, "documentRequest.contentType"},
		{
			"text/xml",
			`"signatureType":"XAdES","advancedSignatureInfo":{"signatureTransform":"X"}`,
			"advancedSignatureInfo.signatureTransform",
		},
		{
			"text/xml",
			`"signatureType":"XAdES","advancedSignatureInfo":{"canonicalTransform":"X"}`,
			"advancedSignatureInfo.canonicalTransform",
		},
		{
			"text/xml",
			`"signatureType":"XAdES","visibleSignatureInfo":{"locationType":"PLACEHOLDER","locationValue":"x"}`,
			"visibleSignatureInfo",
		},
	}
	for i, tt := range tests {
		text := strings.NewReplacer(
			`"signatureType":"PAdES"`,
			tt.info,
			"application/pdf",
			tt.contentType,
		).Replace(
			signRequest(fmt.Sprint("r", i), "content"),
		)
		resp := h.do(request{path: "document/sign/async/base64", text: text})
		if tt.cause == "" {
			resp.is(http.StatusAccepted, nil)
			continue
		}
		resp.fails(http.StatusBadRequest, "0.0.6", "documents[0].")
		resp.fails(http.StatusBadRequest, "0.0.6", tt.cause)
	}
}
