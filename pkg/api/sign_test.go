package api_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

func TestSyncRequestAnswersWithSignedDocuments(t *testing.T) {
	h := start(t, nil)
	resp := h.do(request{path: "document/sign/base64/", text: signRequest("ref-1", "%PDF one", "%PDF two")})
	resp.is(http.StatusOK, map[string]string{
		"type":                             "SIGN",
		"status":                           "EXECUTED",
		"issuerClientServiceAlias":         alice,
		"folderExternalReference":          "ref-1",
		"folder.externalReference":         "ref-1",
		"folder.description":               "test",
		"folder.folderContent":             "HASH",
		"folder.folderId":                  resp.at("id"),
		"signatureQueuePriority.name":      "DEFAULT",
		"documentList.1.externalReference": "doc-1",
		"documentList.1.name":              "a.pdf",
		"documentList.1.contentType":       "application/pdf",
		"documentList.1.signStatus":        "SIGNED",
		"documentList.1.cipherStatus":      "NO_CIPHER",
		"documentList.1.storageStatus":     "CONTENT_NOT_STORED",
		"documentList.1.contentLength":     "8",
		"documentList.1.signError":         "",
		"host":                             "",
	})
	resp.signed("documentList.0.signedContent", "%PDF one")
	resp.signed("documentList.1.signedContent", "%PDF two")
	date := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$`)
	for _, path := range []string{"creationDate", "documentList.0.receptionDate"} {
		if !date.MatchString(resp.at(path)) {
			t.Errorf("%s = %q, want ISO 8601 with milliseconds and offset", path, resp.at(path))
		}
	}
	if n := h.store.open.Load(); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
}

// TestSyncAnswerIsAsDocumented holds a whole answer against a file that a person can read.
func TestSyncAnswerIsAsDocumented(t *testing.T) {
	h := start(t, nil)
	one := base64.StdEncoding.EncodeToString([]byte("%PDF one"))
	damaged := base64.StdEncoding.EncodeToString([]byte("fail:damaged:the cross-reference is damaged"))
	resp := h.do(request{path: "document/sign/base64", text: `{
		"externalReference": "FT 2026/1", "description": "Fatura nº 1", "documents": [
		{"documentRequest": {"externalReference": "FT 2026/1", "name": "fatura.pdf", "contentType": "application/pdf",
			"base64Content": "` + one + `"},
		 "signatureInfo": {"signatureType": "PAdES", "reason": "error in \"reason\"", "location": "Évora",
			"visibleSignatureInfo": {
				"locationType": "COORDINATE", "locationValue": "page=1,x=100,y=500", "area": "width=300,height=200",
				"font": "color=#000000,size=8", "templateType": "ONE_OFF",
				"oneOffTemplate": "Signed by $certificate.getCommonName()\nterror"}}},
		{"documentRequest": {"externalReference": "FT 2026/2", "name": "other.pdf", "contentType": "application/pdf",
			"base64Content": "` + damaged + `"},
		 "signatureInfo": {"signatureType": "PAdES"}}]}`})
	resp.is(http.StatusOK, nil)
	got := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+\+00:00`).ReplaceAllString(resp.text, "DATE")
	got = regexp.MustCompile(`"executionTime":\d+`).ReplaceAllString(got, `"executionTime":TIME`)
	got = strings.NewReplacer(
		`},{`, "},\n{",
		`"documentList":[`, "\"documentList\":[\n",
		`"documentAttributes":[{`, "\"documentAttributes\":[\n{",
	).Replace(got) + "\n"
	want, err := os.ReadFile("testdata/sign-operation.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile("testdata/sign-operation.json", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil || got != string(want) {
		t.Errorf("answer = %s\nwant %s (%v)", got, want, err)
	}
}

func TestReturnSignedContent(t *testing.T) {
	h := start(t, nil)
	tests := []struct {
		field   string
		content bool
	}{
		{"", true},
		{`"returnSignedContent":true,`, true},
		{`"returnSignedContent":null,`, true},
		{`"returnSignedContent":false,`, false},
	}
	for i, tt := range tests {
		text := strings.Replace(signRequest(fmt.Sprint("r", i), "%PDF"), "{", "{"+tt.field, 1)
		resp := h.do(request{path: "document/sign/base64", text: text})
		resp.is(http.StatusOK, map[string]string{"documentList.0.signStatus": "SIGNED"})
		if got := resp.at("documentList.0.signedContent") != ""; got != tt.content {
			t.Errorf("with %s content = %v, want %v", tt.field, got, tt.content)
		}
	}
}

func TestAsyncRequestIsAcceptedBeforeItIsSigned(t *testing.T) {
	h := start(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
	resp := h.do(request{path: "document/sign/async/base64/", text: signRequest("later", "%PDF one")})
	resp.is(http.StatusAccepted, map[string]string{
		"externalReference": "later",
		"status":            "PENDING_EXECUTION",
		"host":              "proxy-0.example.org",
		"port":              "8443",
		"hostPort":          "proxy-0.example.org:8443",
	})
	id := resp.at("id")
	if want := base + "operation/status/" + id; resp.Header().Get("Location") != want {
		t.Errorf("Location = %q, want %q", resp.Header().Get("Location"), want)
	}
	pending := h.do(request{path: "operation/sign/detail/" + id + "/contentInResponse/True"})
	pending.is(http.StatusOK, map[string]string{
		"status":                       "PENDING_EXECUTION",
		"documentList.0.signStatus":    "RECEIVED",
		"documentList.0.signedContent": "",
		"executionTime":                "",
	})
	h.do(request{path: "operation/sign/detail/" + id + "/documents"}).fails(http.StatusNotFound,
		"404", "PENDING_EXECUTION")

	close(h.provider.hold)
	h.wait(id)
	done := h.do(request{path: "operation/sign/detail/" + id + "/contentInResponse/True"})
	done.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	done.signed("documentList.0.signedContent", "%PDF one")
}

// wait blocks until an operation has ended.
func (h *harness) wait(id string) {
	h.t.Helper()
	var n int64
	if _, err := fmt.Sscan(id, &n); err != nil {
		h.t.Fatal(err)
	}
	if op, err := h.service.Wait(h.t.Context(), signing.ID(n)); err != nil || !op.Status.Ended() {
		h.t.Fatalf("Wait(%s) = %v, %v", id, op.Status, err)
	}
}

func TestSyncWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- h.service.Start(ctx) }()
		<-h.opened
		began := time.Now()
		resp := h.do(request{path: "document/sign/base64", text: signRequest("slow", "%PDF")})
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %v, want a minute", waited)
		}
		resp.is(http.StatusOK, map[string]string{
			"status":                       "PENDING_EXECUTION",
			"documentList.0.signStatus":    "RECEIVED",
			"documentList.0.signedContent": "",
		})
		close(h.provider.hold)
		h.wait(resp.at("id"))
		h.do(request{path: "operation/sign/detail/withExternalReference/slow"}).is(http.StatusOK,
			map[string]string{"status": "EXECUTED"})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestRefusedEarly checks that further sync requests are refused at once when results take longer
// than sync requests wait. Async requests are accepted.
func TestRefusedEarly(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.SyncWait, h.provider.hold = time.Millisecond, make(chan struct{}) })
	for _, ref := range []string{"one", "two", "three"} {
		h.do(request{path: "document/sign/base64", text: signRequest(ref, "%PDF")}).is(http.StatusOK, nil)
	}
	refused := h.do(request{path: "document/sign/base64", text: signRequest("four", "%PDF")})
	refused.fails(http.StatusServiceUnavailable, "503", "asynchronously")
	if refused.Header().Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	h.do(request{path: "document/sign/async/base64", text: signRequest("four", "%PDF")}).is(http.StatusAccepted, nil)
	close(h.provider.hold)
}

func TestNoSyncWaitAtAll(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.SyncWait, h.provider.hold = -1, make(chan struct{}) })
	defer close(h.provider.hold)
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK,
		map[string]string{"status": "PENDING_EXECUTION"})
}

func TestDocumentFaults(t *testing.T) {
	faults := map[signing.Kind][2]string{ // signError, code
		signing.KindVisible:     {"CONFIGURATION_SIGN_ERROR", "2.2.1"},
		signing.KindNotDocument: {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.2"},
		signing.KindDamaged:     {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.3"},
		signing.KindEncrypted:   {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.4"},
		signing.KindForbidden:   {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.5"},
		signing.KindUnsupported: {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.6"},
		signing.KindTooComplex:  {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.7"},
		signing.KindBroken:      {"SIGN_OPERATION_INTERNAL_ERROR", "2.2.8"},
	}
	h := start(t, nil)
	for kind, want := range faults {
		t.Run(string(kind), func(t *testing.T) {
			bad := fmt.Sprintf("fail:%s:the reason", kind)
			// Alone: the request is refused.
			h.do(request{path: "document/sign/base64", text: signRequest("alone "+string(kind), bad)}).
				fails(http.StatusBadRequest, want[1], "documents[0]: the reason")
			// With a neighbour: that one is signed.
			resp := h.do(request{path: "document/sign/base64", text: signRequest("beside "+string(kind), "%PDF", bad)})
			resp.is(http.StatusOK, map[string]string{
				"status":                        "EXECUTED",
				"documentList.0.signStatus":     "SIGNED",
				"documentList.1.signStatus":     "ERROR_SIGNING",
				"documentList.1.signError":      want[0],
				"documentList.1.signErrorCode":  want[1],
				"documentList.1.signErrorCause": "the reason",
				"documentList.1.signedContent":  "",
			})
			resp.signed("documentList.0.signedContent", "%PDF")
			// Refused, nothing is kept of it.
			h.do(request{path: "operation/sign/detail/withExternalReference/alone%20" + string(kind)}).
				fails(http.StatusNotFound, "404", "")
		})
	}
	two := h.do(request{path: "document/sign/base64", text: signRequest("both", "fail:damaged:x", "fail:encrypted:y")})
	two.is(http.StatusOK, map[string]string{
		"status":                       "EXECUTION_FAILED",
		"documentList.0.signErrorCode": "2.2.3",
		"documentList.1.signErrorCode": "2.2.4",
	})
}

func TestRemoteFaults(t *testing.T) {
	faults := map[signing.Kind]string{
		signing.KindProviderCredentials: "INVALID_CERT_SERVICE_CREDS",
		signing.KindProviderAccount:     "INVALID_CERT_ACCESS_ACCOUNT",
		signing.KindProvider:            "CERT_SERVICE_GLOBAL_ERROR",
		signing.KindConfiguration:       "CONFIGURATION_SIGN_ERROR",
		signing.KindTimestamp:           "TIMESTAMP_SIGN_ERROR",
		signing.KindRevocation:          "CERT_SERVICE_GLOBAL_ERROR",
		signing.KindCertificate:         "INVALID_CERTIFICATE_SIGN_ERROR",
	}
	for kind, want := range faults {
		h := start(t, func(h *harness) { h.provider.err = signing.Errorf(kind, "the reason") })
		resp := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")})
		resp.is(http.StatusOK, map[string]string{
			"status": "EXECUTION_FAILED", "documentList.0.signStatus": "ERROR_SIGNING", "documentList.0.signError": want,
			"documentList.0.signErrorCode": "", "documentList.0.signErrorCause": "the reason",
		})
	}
}

func TestManyDocumentsAreReadInPages(t *testing.T) {
	h := start(t, nil)
	contents := make([]string, 250)
	for i := range contents {
		contents[i] = fmt.Sprint("%PDF ", i)
	}
	resp := h.do(request{path: "document/sign/base64", text: signRequest("many", contents...)})
	resp.is(http.StatusOK,
		map[string]string{"status": "EXECUTED", "documentList.249.externalReference": "doc-249", "documentList.250": ""})
	for i := range contents {
		resp.signed(fmt.Sprintf("documentList.%d.signedContent", i), contents[i])
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := start(t, nil)
	key := map[string]string{"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
	text := signRequest("r", "%PDF")
	first := h.do(request{path: "document/sign/base64", text: text, header: key})
	first.is(http.StatusOK, map[string]string{"status": "EXECUTED"})

	again := h.do(request{path: "document/sign/base64", text: " " + text + "\n", header: key})
	again.is(http.StatusOK, map[string]string{"id": first.at("id")})
	again.signed("documentList.0.signedContent", "%PDF")
	if again.Header().Get("Idempotent-Replayed") != "true" || first.Header().Get("Idempotent-Replayed") != "" {
		t.Error("Idempotent-Replayed is not on the second answer alone")
	}
	h.do(request{path: "document/sign/async/base64", text: text, header: key}).is(http.StatusAccepted,
		map[string]string{"id": first.at("id")})
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF other"), header: key}).
		fails(http.StatusUnprocessableEntity, "0.0.6", "Idempotency-Key")
	h.do(request{path: "document/sign/base64", text: text}).fails(http.StatusConflict, "0.0.7", "externalReference")
	other := h.do(request{path: "document/sign/base64", text: text, header: key, auth: basic(bob, bobSecret)})
	other.is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	if other.at("id") == first.at("id") {
		t.Error("a key was taken for another client service's")
	}
	for _, bad := range []string{"", strings.Repeat("x", 256), "a\x7f", "é"} {
		h.do(request{path: "document/sign/base64", text: text, header: map[string]string{"Idempotency-Key": bad}}).
			fails(http.StatusBadRequest, "0.0.6", "Idempotency-Key")
	}
}

func TestBusy(t *testing.T) {
	h := newHarness(t, nil) // its service is not started
	for _, path := range []string{
		"document/sign/base64", "document/sign/async/base64", "document/sign", "document/sign/async",
	} {
		resp := h.do(request{path: path, text: "{not even"})
		resp.fails(http.StatusServiceUnavailable, "503", "")
		if resp.Header().Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", path)
		}
	}
	h.do(request{path: "operation/status/withExternalReference/x"}).fails(http.StatusNotFound, "404", "")
}

func TestTooManyUploads(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.MaxUploads = 1 })
	reading, release := make(chan struct{}), make(chan struct{})
	slow := request{path: "document/sign/base64", body: readerFunc(func([]byte) (int, error) {
		close(reading)
		<-release
		return 0, fmt.Errorf("gone")
	})}.build()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.api.Handler().ServeHTTP(httptest.NewRecorder(), slow)
	}()
	<-reading
	resp := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")})
	resp.fails(http.StatusTooManyRequests, "429", "")
	if resp.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After = %q, want 1", resp.Header().Get("Retry-After"))
	}
	close(release)
	<-done
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestDamagedFileIsNeverASuccess(t *testing.T) {
	h := start(t, nil)
	made := h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")})
	made.is(http.StatusOK, nil)
	h.store.short.Store(true)
	archive := h.do(request{path: "operation/sign/detail/" + made.at("id") + "/documents"})
	archive.fails(http.StatusInternalServerError, "0.0.1", "log of the service")
	if got := archive.Header().Get("Content-Disposition"); got != "" {
		t.Errorf("Content-Disposition of a refusal = %q, want none: a browser would save it as the archive", got)
	}
	h.log.next("kind", "storage")
	h.do(request{path: "operation/sign/detail/withExternalReference/r"}).fails(http.StatusInternalServerError,
		"0.0.1", "log of the service")
	h.log.next("kind", "storage")

	// A fault after the start of the answer breaks it off. The series that counts this exists before.
	const broken = "signstash_api_requests_total 0.0.1 " +
		"GET /api/v0/operation/sign/detail/withExternalReference/{externalReference} 200"
	if got, ok := h.samples()[broken]; got != 0 || !ok {
		t.Errorf("answers that broke off are counted %v times, %v, want a series at 0", got, ok)
	}
	h.store.torn.Store(true)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("panic = %v, want that of an aborted answer", p)
		}
		h.log.next("status", "200", "unexpected EOF", `"errorCode"="0.0.1"`)
		if got := h.samples()[broken]; got != 1 {
			t.Errorf("answers that broke off are counted %v times as faults, want once", got)
		}
	}()
	h.api.Handler().ServeHTTP(httptest.NewRecorder(),
		request{path: "operation/sign/detail/withExternalReference/r"}.build())
	t.Error("the answer was not aborted")
}

// TestRefusedKeepsNothing checks that a sync request whose only document is refused leaves its
// reference and its Idempotency-Key to the corrected request, like every other 400. The answer is
// the same if the operation cannot be removed.
func TestRefusedKeepsNothing(t *testing.T) {
	h := start(t, nil)
	send := func(content string, key ...string) response {
		r := request{path: "document/sign/base64", text: signRequest("inv-1", content), header: map[string]string{}}
		if len(key) > 0 {
			r.header["Idempotency-Key"] = key[0]
		}
		return h.do(r)
	}
	for range 2 {
		send("fail:damaged:x", "k").fails(http.StatusBadRequest, "2.2.3", "documents[0]: x")
	}
	h.do(request{path: "operation/status/withExternalReference/inv-1"}).fails(http.StatusNotFound, "404", "")
	send("%PDF good", "k").is(http.StatusOK, map[string]string{"documentList.0.signStatus": "SIGNED"})

	h = start(t, nil)
	h.store.FailNext("Remove", 1, storetest.NotStored)
	send("fail:damaged:x").fails(http.StatusBadRequest, "2.2.3", "documents[0]: x")
	h.log.next("could not remove a refused operation")
	send("%PDF good").fails(http.StatusConflict, "0.0.7", "")
}
