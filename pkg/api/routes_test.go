package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestMethodsOfEveryPath is the table of what answers what: one row a path, the methods that are
// allowed there.
func TestMethodsOfEveryPath(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.HotFolders = &fakeHotFolders{} })
	h.do(request{path: "document/sign/base64", text: signRequest("x", "%PDF")}).is(http.StatusOK, nil)
	const id = "1024000"
	const post, get = "POST", "GET, HEAD"
	tests := []struct{ path, allowed string }{
		{
			"document/sign/base64",
			post,
		},
		{"document/sign/base64/", post},
		{"document/sign/base64///", post},
		{"document//sign//base64", post},
		{
			"document/sign",
			post,
		},
		{"document/sign/", post},
		{"document/sign/async", post},
		{"document/sign/async/base64/", post},
		{"operation/status/withExternalReference/x", get},
		{"operation/status/withExternalReference//x//", get},
		{
			"operation/status/withExternalReference?externalReference=x",
			get,
		},
		{"operation/status/withExternalReference/?externalReference=x", get},
		{"operation/sign/detail/withExternalReference/x", get},
		{"operation/id/withDocumentExternalReference/doc-0", get},
		{"operation/status/" + id, get},
		{"operation/status/" + id + "//", get},
		{"operation//status//" + id, get},
		{
			"operation/sign/detail/" + id + "/contentInResponse/True",
			get,
		},
		{"operation/sign/detail/" + id + "/contentInResponse/false/", get},
		{"operation/sign/detail/" + id + "/documents", get},
		{"operation/sign/detail/" + id + "/documents//", get},
		{"hotfolder/notify", "OPTIONS, POST"},
		{"hotfolder//notify//", "OPTIONS, POST"},
		{"/oauth2/authorization-server/oauth/token", post},
		{"//oauth2//authorization-server/oauth/token/", post},
		{"/signstash/einvoice-integration-client-ws/oauth2/authorization-server/oauth/token", post},
		{"/signstash/einvoice-integration-client-ws//oauth2/authorization-server/oauth/token//", post},
		{
			"/signstash/einvoice-integration-client-ws/swagger-ui.html",
			get,
		},
		{"/signstash/einvoice-integration-client-ws/openapi.yaml", get},
		{"/signstash/einvoice-integration-client-ws", get},
		{"/signstash/einvoice-integration-client-ws//", get},
		{"/signstash/einvoice-integration-client-ws/swagger-ui/swagger-ui.css", get},
		{"operation/sign/detail/" + id + "/documents/0", get},
		{"operation/sign/detail/" + id + "//", "DELETE, " + get}, // the last that needs the operation

		{"", ""},
		{"document", ""},
		{"document/sign/base64/x", ""},
		{"document/sign/other", ""},
		{"Document/sign/base64", ""},
		{
			"operation",
			"",
		},
		{"operation/status", ""},
		{"operation/status/" + id + "/x", ""},
		{"operation/sign/detail/" + id + "/y", ""},
		{"operation/sign/detail/" + id + "/contentInResponse", ""},
		{"operation/sign/detail/" + id + "/documents/0/x", ""},
		{
			"/",
			"",
		},
		{"/signstash", ""},
		{"/oauth2/authorization-server/oauth", ""},
		{"/api/v0/operation/status/1", ""},
		{"/metrics", ""},
		{"/swagger-ui.html", ""},
		{
			"/signstash/einvoice-integration-client-ws/swagger-ui/../x",
			"",
		},
		{"/signstash/einvoice-integration-client-ws/swagger-ui.html/x", ""},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROBNICATE"} {
			t.Run(method+" "+tt.path, func(t *testing.T) {
				h.t = t
				resp := h.do0(request{method: method, path: tt.path})
				allow := resp.Header().Get("Allow")
				switch {
				case tt.allowed == "":
					if resp.Code != http.StatusNotFound || allow != "" || method != "HEAD" && resp.at("errorCode") != "404" {
						t.Errorf("answer = %d, Allow %q, %.100s, want 404", resp.Code, allow, resp.text)
					}
				case slices.Contains(strings.Split(tt.allowed, ", "), method):
					if resp.Code == http.StatusNotFound || resp.Code == http.StatusMethodNotAllowed {
						t.Errorf("answer = %d, want the call's own", resp.Code)
					}
					if method == "HEAD" && resp.Code != http.StatusOK && resp.Code != http.StatusFound {
						t.Errorf("HEAD = %d", resp.Code)
					}
				default:
					if resp.Code != http.StatusMethodNotAllowed || allow != tt.allowed ||
						method != "HEAD" && resp.at("errorCode") != "405" {
						t.Errorf("answer = %d, Allow %q, want 405, %q", resp.Code, allow, tt.allowed)
					}
				}
			})
		}
	}
}

func TestReferencesOfAnyKind(t *testing.T) {
	h := start(t, nil)
	references := []string{
		"simple",
		"FT 2026/1",
		"a/b/c",
		"50%",
		"100%25",
		"a+b",
		"a%2Fb",
		"ção €/😀",
		`quote"back\slash`,
		"?x=y&z#f",
		";,:@",
		"/leading",
		"trailing/",
		"a//b",
		".",
		"..",
		"../x",
		"withExternalReference",
		"1024",
		" blank ",
		"error",
		"\ttab",
		"a\u0301",
	}
	for i, ref := range references {
		t.Run(ref, func(t *testing.T) {
			h.t = t
			text := strings.Replace(signRequest("REF", fmt.Sprint("%PDF ", i)), `"REF"`, quote(ref), 1)
			text = strings.Replace(text, `"doc-0"`, quote("doc "+ref), 1)
			resp := h.do(request{path: "document/sign/base64", text: text})
			resp.is(http.StatusOK, map[string]string{"folderExternalReference": ref})
			id := resp.at("id")

			encoded := url.PathEscape(ref)
			found := map[string]string{
				"operation/status/withExternalReference/" + encoded:                                           "0.id",
				"operation//status/withExternalReference///" + encoded + "//":                                 "0.id",
				"operation/status/withExternalReference?externalReference=" + url.QueryEscape(ref):            "0.id",
				"operation/sign/detail/withExternalReference/" + encoded + "?includeContent=false":            "id",
				"operation/id/withDocumentExternalReference/" + url.PathEscape("doc "+ref):                    "",
				"operation/id/withDocumentExternalReference/doc%20" + encoded:                                 "",
				"operation/id/withDocumentExternalReference?externalReference=" + url.QueryEscape("doc "+ref): "",
			}
			if !strings.HasPrefix(ref, "/") && !strings.HasSuffix(ref, "/") {
				found["operation/status/withExternalReference/"+strings.ReplaceAll(encoded, "%2F", "/")] = "0.id"
			}
			for path, at := range found {
				got := h.do(request{path: path})
				got.is(http.StatusOK, map[string]string{at: id})
			}
		})
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(s) + `"`
}

func TestBadParameters(t *testing.T) {
	h := start(t, nil)
	tests := []struct {
		path         string
		status       int
		code, detail string
	}{
		{"operation/status/withExternalReference", 400, "0.0.2", "externalReference is missing"},
		{"operation/status/withExternalReference/", 400, "0.0.2", "externalReference is missing"},
		{"operation/status/withExternalReference/?externalReference=", 400, "0.0.2", "externalReference is missing"},
		{"operation/status/withExternalReference/%ff", 400, "0.0.6", "UTF-8"},
		{"operation/sign/detail/withExternalReference/x?includeContent=maybe", 400, "0.0.6", "includeContent"},
		{"operation/id/withDocumentExternalReference/", 400, "0.0.2", "externalReference"},
		{"operation/status/abc", 400, "0.0.6", "operationId"},
		{"operation/status/-1", 400, "0.0.6", "operationId"},
		{"operation/status/1e3", 400, "0.0.6", "operationId"},
		{"operation/status/9007199254740992", 400, "0.0.6", "operationId"},
		{"operation/status/99999999999999999999999999", 400, "0.0.6", "operationId"},
		{"operation/status/9007199254740991", 404, "404", "9007199254740991"},
		{"operation/sign/detail/1024/contentInResponse/maybe", 400, "0.0.6", "includeContent"},
		{"operation/sign/detail/1024?includeContent=maybe", 400, "0.0.6", "includeContent"},
		{"operation/sign/detail/x", 400, "0.0.6", "operationId"},
		{"operation/sign/detail/x/documents", 400, "0.0.6", "operationId"},
	}
	for _, tt := range tests {
		h.do(request{path: tt.path}).fails(tt.status, tt.code, tt.detail)
	}
}

func TestLookupsTakeTheNewest(t *testing.T) {
	h := start(t, nil)
	h.do(request{path: "document/sign/base64", text: signRequest("one", "%PDF")}).is(http.StatusOK, nil)
	newest := h.do(request{path: "document/sign/base64", text: signRequest("two", "%PDF")})
	newest.is(http.StatusOK, nil)
	resp := h.do(request{path: "operation/id/withDocumentExternalReference/doc-0"})
	resp.is(http.StatusOK, map[string]string{"": newest.at("id")})
	if resp.text != newest.at("id") {
		t.Errorf("body = %q, want a bare number", resp.text)
	}
}

func TestStatusHasTheEndpoint(t *testing.T) {
	h := start(t, nil)
	id := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).at("id")
	want := map[string]string{
		"id":           id,
		"type":         "SIGN",
		"status":       "EXECUTED",
		"host":         "proxy-0.example.org",
		"port":         "8443",
		"documentList": "",
	}
	h.do(request{path: "operation/status/" + id}).is(http.StatusOK, want)
	list := h.do(request{path: "operation/status/withExternalReference/r"})
	for k, v := range want {
		if got := list.at("0." + k); got != v {
			t.Errorf("0.%s = %q, want %q", k, got, v)
		}
	}
	if list.at("1") != "" {
		t.Error("there is a second operation")
	}
	if got := list.Header().Get("X-Signstash-Instance"); got != "proxy-0" {
		t.Errorf("X-Signstash-Instance = %q", got)
	}
}

func TestHeadSendsNoContent(t *testing.T) {
	h := start(t, nil)
	id := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).at("id")
	h.store.torn.Store(true) // reading a document would fail
	for _, path := range []string{
		"operation/sign/detail/withExternalReference/r",
		"operation/sign/detail/" + id + "/contentInResponse/true",
		"operation/sign/detail/" + id + "/documents",
	} {
		if resp := h.do0(request{method: http.MethodHead, path: path}); resp.Code != http.StatusOK {
			t.Errorf("HEAD %s = %d", path, resp.Code)
		}
	}
}
