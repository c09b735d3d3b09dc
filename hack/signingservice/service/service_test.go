package service_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
)

// remote is a simulated service with a client that only uses HTTP.
type remote struct {
	*service.Service
	t   *testing.T
	url string
}

func start(t *testing.T, opts service.Options) remote {
	t.Helper()
	s := servicetest.New(t, opts)
	server := httptest.NewServer(s)
	t.Cleanup(func() { // closing the service first ends the requests that hang
		s.Close()
		server.Close()
	})
	return remote{s, t, server.URL}
}

// post sends JSON with a fresh token and returns the status and the fields of the answer.
func (r remote) post(path string, body map[string]any) (int, map[string]any) {
	r.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, bytes.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+r.Token(service.ClientID))
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer := map[string]any{}
	data, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(data, &answer)
	return resp.StatusCode, answer
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (r remote) authorize(hashes ...string) string {
	r.t.Helper()
	status, a := r.post("/csc/v1/credentials/authorize",
		map[string]any{"credentialID": "sim-rsa", "numSignatures": len(hashes), "hash": hashes, "PIN": service.PIN})
	sad, _ := a["SAD"].(string)
	if status != http.StatusOK || sad == "" {
		r.t.Fatalf("authorize = %d %v", status, a)
	}
	return sad
}

func (r remote) sign(sad string, hashes ...string) (int, string) {
	r.t.Helper()
	status, a := r.post("/csc/v1/signatures/signHash",
		map[string]any{"credentialID": "sim-rsa", "SAD": sad, "hash": hashes, "signAlgo": "1.2.840.113549.1.1.11"})
	text, _ := a["error_description"].(string)
	return status, text
}

// TestSAD checks that activation data is valid once, for its hashes, and for its credential.
func TestSAD(t *testing.T) {
	r := start(t, service.Options{})
	one, two := hashOf("one"), hashOf("two")
	sad := r.authorize(one, two)
	if status, text := r.sign(sad, one, hashOf("three")); status != 400 || text != "Hash is not authorized by the SAD" {
		t.Errorf("other hash: %d %q", status, text)
	}
	if status, text := r.sign(sad, one, two, one); status != 400 || text != "Numbers of signatures is too high" {
		t.Errorf("too many hashes: %d %q", status, text)
	}
	if status, text := r.sign(sad, two, one); status != 200 {
		t.Errorf("right hashes: %d %q", status, text)
	}
	if status, text := r.sign(sad, two, one); status != 400 || text != "Invalid parameter SAD" {
		t.Errorf("second use: %d %q", status, text)
	}
	if status, _ := r.sign("", one); status != 400 {
		t.Errorf("no SAD: %d", status)
	}
	n := r.Counts()
	if n.Signatures != 2 || n.SignaturesBy["sim-rsa"] != 2 || n.LargestBatch != 2 ||
		n.Calls["csc/v1/signatures/signHash"] != 5 {
		t.Errorf("counts = %+v, want 2 signatures in 5 calls", n)
	}
}

// TestRateLimit checks that requests above the limit are refused and counted.
func TestRateLimit(t *testing.T) {
	r := start(t, service.Options{RatePerSecond: 2})
	refused := 0
	for range 12 { // more than the limit of two seconds, because the test may cross the border of a second
		if status, _ := r.post("/csc/v2/info", nil); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if n := r.Counts().Calls["rate-limited"]; refused == 0 || n != int64(refused) {
		t.Errorf("%d refused, %d counted", refused, n)
	}
}

// TestHold checks that held requests wait, are counted, and continue after Release.
func TestHold(t *testing.T) {
	r := start(t, service.Options{})
	r.Hold()
	sads := []string{r.authorize(hashOf("a")), r.authorize(hashOf("a"))}
	var all sync.WaitGroup
	for _, sad := range sads {
		all.Go(func() {
			if status, text := r.sign(sad, hashOf("a")); status != 200 {
				t.Errorf("sign = %d %q", status, text)
			}
		})
	}
	for r.Counts().Held < 2 {
		if t.Context().Err() != nil {
			t.Fatal("no request is held")
		}
	}
	if n := r.Counts().Signatures; n != 0 {
		t.Errorf("%d signatures while held, want 0", n)
	}
	r.Release()
	all.Wait()
	if n := r.Counts(); n.Signatures != 2 || n.Held != 0 {
		t.Errorf("counts = %+v, want 2 signatures, none held", n)
	}
}
