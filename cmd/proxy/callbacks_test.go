package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// receiver is a client's own service that receives callbacks.
type receiver struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	told   map[string]string // status by external reference
	refuse int               // how many more callbacks it refuses
	calls  int
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, told: map[string]string{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP accepts callbacks with a valid signature. It does not use the proxy's code to check it.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if r.refuse > 0 {
		r.refuse--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(req.Body)
	stamp, signature, ok := strings.Cut(req.Header.Get("X-Signstash-Signature"), ",v1=")
	mac := hmac.New(sha256.New, []byte(clients["PRT.1-PRT.2-alice"]))
	fmt.Fprintf(mac, "%s.%s", strings.TrimPrefix(stamp, "t="), body)
	given, hexErr := hex.DecodeString(signature)
	if err != nil || !ok || hexErr != nil || !hmac.Equal(given, mac.Sum(nil)) {
		r.t.Errorf("callback %s with signature %q", body, req.Header.Get("X-Signstash-Signature"))
	}
	var told struct {
		ID                        int64
		ExternalReference, Status string
		Host                      string
		Port                      int
	}
	if err := json.Unmarshal(body, &told); err != nil || told.ID == 0 || told.Host == "" || told.Port == 0 {
		r.t.Errorf("callback %s: %v", body, err)
	}
	r.told[told.ExternalReference] = told.Status
	wantDescribed(r.t, body)
}

// wantDescribed checks a posted callback against the API description.
func wantDescribed(t *testing.T, body []byte) {
	text, err := os.ReadFile("../../pkg/api/openapi.yaml")
	if err != nil {
		t.Error(err)
		return
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Error(err)
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Error(err)
		return
	}
	if err := doc.Components.Schemas["Callback"].Value.VisitJSON(v, openapi3.EnableFormatValidation()); err != nil {
		t.Errorf("callback %s is not as described: %v", body, err)
	}
}

func (r *receiver) heard(reference string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told[reference]
}

// requestBody is a SignRequest with one document.
func requestBody(t *testing.T, reference string) string {
	t.Helper()
	content, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	return string(hostileJSON(t, reference, content))
}

// withCallback is a SignRequest with a callback URL; empty means no URL.
func withCallback(t *testing.T, reference, url string) string {
	t.Helper()
	return strings.Replace(requestBody(t, reference), "{", fmt.Sprintf(`{"callbackUrl":%q,`, url), 1)
}

// TestCallback checks that the callback URL of a request and that of a client service are called
// when an operation ends. A failed callback is retried, also after a kill.
func TestCallback(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	r := newReceiver(t)
	p := newTestProxy(t, append(remote.flags(), "--callback.allow-private=127.0.0.0/8")...)
	write(
		t,
		p.o.Work+"/client-services-config.json",
		fmt.Appendf(nil, `{"PRT.1-PRT.2-alice": {"secret": %q, "callbackUrl": %q}}`,
			clients["PRT.1-PRT.2-alice"], r.URL+"/own"),
	)
	p.start(t)
	post(t, p, "document/sign/async/base64", withCallback(t, "told at the request's", r.URL+"/request"))
	post(t, p, "document/sign/async/base64", requestBody(t, "told at its own"))
	for _, reference := range []string{"told at the request's", "told at its own"} {
		until(t, reference, func() bool { return r.heard(reference) == "EXECUTED" })
	}
	r.mu.Lock()
	r.refuse = 1
	r.mu.Unlock()
	post(t, p, "document/sign/async/base64", requestBody(t, "repeated"))
	until(t, "the first try", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.refuse == 0 })
	p.Kill()
	p.start(t)
	until(t, "the repetition after a kill", func() bool { return r.heard("repeated") == "EXECUTED" })
	until(t, "the count of it, which comes after the answer",
		func() bool { return p.metric(t, `signstash_callbacks_total{outcome="made"}`) == 1 })
}

// TestCallbackRefused checks that a URL that is not allowed is an error of the request, and that an
// address in the private network is not dialled.
func TestCallbackRefused(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	r := newReceiver(t)
	p := newTestProxy(t, remote.flags()...).start(t)
	for _, url := range []string{"ftp://example.org/", "https://user:secret@example.org/", "/relative", "https://"} {
		a := post(t, p, "document/sign/async/base64", withCallback(t, "bad "+url, url))
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), "callbackUrl") ||
			strings.Contains(string(a.body), "user:secret") {
			t.Errorf("%s: %d %s, want 400 that names callbackUrl", url, a.status, a.body)
		}
	}
	post(t, p, "document/sign/async/base64", withCallback(t, "to the own network", r.URL))
	until(t, "a callback given up",
		func() bool { return p.metrics(t)[`signstash_callbacks_total{outcome="given-up"}`] > 0 })
	if r.calls != 0 {
		t.Errorf("the receiver was called %d times, want never: its address is not public", r.calls)
	}
}
