package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// bearer gets a token for a client service from instance i and returns the header that carries it.
func (f *fleet) bearer(t *testing.T, i int, id string) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		f.proxies[i].URL+"/oauth2/authorization-server/oauth/token?grant_type=client_credentials", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(id, clients[id])
	answer := exchange(t, r)
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(answer.body, &token); err != nil || token.Access == "" {
		t.Fatalf("token = %d, %v", answer.status, err)
	}
	return []string{"Authorization", "Bearer " + token.Access}
}

// TestSharedTokens checks that a token of one instance is valid at the other instances with the
// same key, also through a forward. An operation of another client service is not found at any
// instance.
func TestSharedTokens(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	alice, bob := f.bearer(t, 0, "PRT.1-PRT.2-alice"), f.bearer(t, 0, "PRT.1-PRT.2-bob")
	id := f.signed(t, 1, "hers")
	paths := []string{
		"operation/status/" + id,
		"operation/status/withExternalReference/hers",
		"operation/sign/detail/" + id + "/contentInResponse/True",
		"operation/sign/detail/withExternalReference/hers",
		"operation/sign/detail/" + id + "/documents",
	}
	for _, path := range paths {
		for i, how := range []string{"forwarded by the one that made the token", "at the holder", "forwarded"} {
			f.call(t, i, http.MethodGet, path, "", alice...).is(t, path+" with a token, "+how, http.StatusOK)
			f.call(t, i, http.MethodGet, path, "", bob...).is(t, path+" with another's token, "+how, http.StatusNotFound)
		}
	}
	for i := range f.proxies {
		f.call(
			t,
			i,
			http.MethodDelete,
			"operation/sign/detail/"+id,
			"",
			bob...).is(
			t,
			"another's DELETE",
			http.StatusNotFound,
		)
	}
	f.call(t, 2, http.MethodDelete, "operation/sign/detail/"+id, "", alice...).is(t, "DELETE", http.StatusNoContent)
}

// TestKeyIsOfOneClient checks that the Idempotency-Key of one client service does not forward a
// request of another client service.
func TestKeyIsOfOneClient(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	const path = "document/sign/base64"
	f.call(
		t,
		1,
		http.MethodPost,
		path,
		signBody(t, "hers"),
		"Idempotency-Key",
		"k",
	).is(
		t,
		"first",
		http.StatusOK,
		`"SIGNED"`,
	)
	bob := append(f.bearer(t, 0, "PRT.1-PRT.2-bob"), "Idempotency-Key", "k")
	his := f.call(t, 0, http.MethodPost, path, signBody(t, "his"), bob...)
	his.is(t, "another client's request with the same key", http.StatusOK, `"SIGNED"`, `"his"`)
	if his.header.Get("Idempotent-Replayed") != "" {
		t.Error("it was taken for a repetition")
	}
}

const (
	largeBytes = 48 << 20 // size of a document: 64 MiB of base64
	// forwardGrowth is generous: it covers buffers and garbage that is not collected yet. A body that
	// is kept in memory takes twice as much.
	forwardGrowth = 32 << 20
)

// largeBody is a request with a PDF of largeBytes. Most of the PDF is zeros, which may stand
// between objects (ISO 32000-2 7.2.3).
func largeBody(reference string) string {
	doc := bytes.NewBuffer(make([]byte, 0, largeBytes+1024))
	doc.WriteString("%PDF-1.7\n")
	doc.Write(make([]byte, largeBytes))
	var offsets []int
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 9 9]>>", "<</Type/Page/Parent 2 0 R>>"} {
		offsets = append(offsets, doc.Len())
		fmt.Fprintf(doc, "%d 0 obj %s endobj\n", i+1, object)
	}
	start := doc.Len()
	doc.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, o := range offsets {
		fmt.Fprintf(doc, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(doc, "trailer <</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return fmt.Sprintf(
		`{"externalReference":%q,"description":"d","documents":[{"documentRequest":{"externalReference":"large","name":"a.pdf",`+
			`"contentType":"application/pdf","base64Content":%q},"signatureInfo":{"signatureType":"PAdES"}}]}`,
		reference,
		base64.StdEncoding.EncodeToString(doc.Bytes()),
	)
}

// TestLargeForward checks that an instance forwards large bodies in both directions without keeping
// them in memory.
func TestLargeForward(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	body := largeBody("large")
	send := func(i int) said {
		return f.call(t, i, http.MethodPost, "document/sign/base64", body, "Idempotency-Key", "large")
	}
	send(1).is(t, "at the holder", http.StatusOK, `"SIGNED"`)
	peak := func() int64 {
		m, err := f.proxies[0].Memory()
		if err != nil {
			t.Skip(err)
		}
		return m.Peak
	}
	before := peak()
	got := send(0)
	got.is(t, "forwarded", http.StatusOK, `"SIGNED"`)
	if got.header.Get("Idempotent-Replayed") != "true" {
		t.Error("it was signed again, not forwarded")
	}
	result := f.call(t, 0, http.MethodGet, "operation/sign/detail/withExternalReference/large", "")
	result.is(t, "its result", http.StatusOK, `"signedContent":"JVBERi`)
	if len(result.body) < largeBytes*4/3 {
		t.Errorf("the result has %d bytes, want all of the document", len(result.body))
	}
	growth := peak() - before
	if growth > forwardGrowth {
		t.Errorf("the peak RSS of the forwarding instance grew by %d MiB, want at most %d", growth>>20, forwardGrowth>>20)
	}
	t.Logf("the peak RSS of the forwarding instance grew by %d KiB", growth>>10)
}

// TestUnreadyForwards checks that an instance that accepts no new work still answers for the
// others.
func TestUnreadyForwards(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	id := f.signed(t, 1, "ref")
	first := f.call(t, 1, http.MethodPost, "document/sign/base64", signBody(t, "keyed"), "Idempotency-Key", "k")
	first.is(t, "first", http.StatusOK, `"SIGNED"`)
	p := f.proxies[0]
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.o.Args, p.o.Unready = append(p.o.Args, "--disk.min-free=1000000TiB"), true
	p.start(t)
	f.publish(t)
	until(t, "it has started", func() bool { _, why := readyz(t, p); return !strings.HasPrefix(why, "starting") })
	if code, why := readyz(t, p); code != http.StatusServiceUnavailable {
		t.Errorf("readyz = %d %q, want 503", code, why)
	}
	f.call(
		t,
		0,
		http.MethodPost,
		"document/sign/base64",
		signBody(t, "new"),
	).is(
		t,
		"a new request",
		http.StatusServiceUnavailable,
	)
	f.call(t, 0, http.MethodGet, "operation/status/"+id, "").is(t, "a status by id", http.StatusOK, `"id":`+id)
	f.call(
		t,
		0,
		http.MethodGet,
		"operation/sign/detail/withExternalReference/ref",
		"",
	).is(
		t,
		"a result by reference",
		http.StatusOK,
		`"signedContent":"JVBERi`,
	)
	again := f.call(t, 0, http.MethodPost, "document/sign/base64", signBody(t, "keyed"), "Idempotency-Key", "k")
	again.is(t, "a repetition", http.StatusOK, `"SIGNED"`)
	f.call(t, 0, http.MethodDelete, "operation/sign/detail/"+id, "").is(t, "DELETE", http.StatusNoContent)
}
