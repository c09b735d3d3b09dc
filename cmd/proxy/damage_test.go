package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestDamagedDocument changes a document on disk between its acceptance and its signature. This
// document must not be reported as signed. The other one is signed.
func TestDamagedDocument(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=2")...).start(t)
	remote.Hold()
	c := newClient(t, p.Instance)
	r := oneDocument(t, "damaged", client.SignatureInfo{})
	second := r.Documents[0]
	second.Reference = "whole"
	r.Documents = append(r.Documents, second)
	a, err := c.SignAsync(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "a call is held", func() bool { return remote.Counts().Held > 0 })
	f, err := os.OpenFile(filepath.Join(p.o.State, "operations", fmt.Sprint(a.ID)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{'X'}, 5000); err != nil { // in the first document
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	remote.Release()
	if _, err := c.Wait(t.Context(), "damaged"); err != nil {
		t.Fatal(err)
	}
	answer := get(t, p, "operation/sign/detail/withExternalReference/damaged")
	var op soakOperation
	if err := json.Unmarshal(answer.body, &op); err != nil {
		t.Fatalf("%v: %.300s", err, answer.body)
	}
	for i, d := range op.DocumentList {
		t.Logf("document %d: %s %s %s", i, d.SignStatus, d.SignError, d.SignErrorCause)
		if d.SignStatus != "SIGNED" {
			continue
		}
		content, err := base64.StdEncoding.DecodeString(d.SignedContent)
		if err != nil {
			t.Fatal(err)
		}
		if err := verified(remote.root, sample, content); err != nil {
			t.Errorf("document %d is called signed: %v", i, err)
		}
	}
	if len(op.DocumentList) != 2 || op.DocumentList[0].SignStatus == "SIGNED" ||
		op.DocumentList[1].SignStatus != "SIGNED" {
		t.Error("want the damaged one refused and its neighbour signed")
	}
}

func get(t *testing.T, p *testProxy, path string) wireAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+apiPath+path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	return exchange(t, r)
}
