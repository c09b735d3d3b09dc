package main_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func encode(content []byte) string { return base64.StdEncoding.EncodeToString(content) }

// wireAnswer is an answer of the proxy as it arrived, with its body not decoded.
type wireAnswer struct {
	status int
	header http.Header
	body   []byte
}

// post sends JSON unchanged to the API as alice. It is for requests that pkg/client would not make.
func post(t *testing.T, p *testProxy, path, body string) wireAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+apiPath+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return exchange(t, r)
}

// exchange sends a request and reads the whole answer. A request without credentials is sent as
// alice.
func exchange(t *testing.T, r *http.Request) wireAnswer {
	t.Helper()
	if r.Header.Get("Authorization") == "" {
		r.SetBasicAuth("PRT.1-PRT.2-alice", clients["PRT.1-PRT.2-alice"])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return wireAnswer{resp.StatusCode, resp.Header, text}
}

// signed returns the content of the only document in the answer. The operation must be executed.
func (a wireAnswer) signed(t *testing.T) []byte {
	t.Helper()
	var op struct {
		Status       string
		DocumentList []struct {
			SignedContent []byte
		}
	}
	if err := json.Unmarshal(a.body, &op); err != nil || op.Status != "EXECUTED" || len(op.DocumentList) != 1 {
		t.Fatalf("answer = %d %.500s, %v, want one signed document", a.status, a.body, err)
	}
	return op.DocumentList[0].SignedContent
}
