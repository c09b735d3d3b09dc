package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestDamagedDocument changes documents of all shapes on disk between their acceptance and their
// signature. They must not be reported as signed. The others are signed.
func TestDamagedDocument(t *testing.T) {
	t.Parallel()
	remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Multisign: 20}}})
	p := newTestProxy(t, append(remote.flags(), "--signing.retry.backoff=50ms", "--signing.tries=2")...).start(t)
	remote.Hold()
	c := newClient(t, p.Instance)
	r := oneDocument(t, "damaged", client.SignatureInfo{})
	r.Documents = nil
	for i, s := range shapes() {
		r.Documents = append(r.Documents, s.document(fmt.Sprint("damaged/", i)), s.document(fmt.Sprint("whole/", i)))
	}
	a, err := c.SignAsync(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "a call is held", func() bool { return remote.Counts().Held > 0 })
	damageEverySecond(t, filepath.Join(p.o.State, "operations", fmt.Sprint(a.ID)))
	remote.Release()
	if _, err := c.Wait(t.Context(), "damaged"); err != nil {
		t.Fatal(err)
	}
	answer := get(t, p, "operation/sign/detail/withExternalReference/damaged")
	var op soakOperation
	if err := json.Unmarshal(answer.body, &op); err != nil {
		t.Fatalf("%v: %.300s", err, answer.body)
	}
	if len(op.DocumentList) != 2*len(shapes()) {
		t.Fatalf("%d documents, want %d", len(op.DocumentList), 2*len(shapes()))
	}
	for i, d := range op.DocumentList {
		s, damaged := shapes()[i/2], i%2 == 0
		t.Logf("document %d: %s %s %s", i, d.SignStatus, d.SignError, d.SignErrorCause)
		if (d.SignStatus == "SIGNED") == damaged {
			t.Errorf("document %d, %s, damaged %v, is %s", i, s.name, damaged, d.SignStatus)
		}
		if d.SignStatus != "SIGNED" {
			continue
		}
		content, err := base64.StdEncoding.DecodeString(d.SignedContent)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.verify(content, "", nil); err != nil {
			t.Errorf("document %d is called signed: %v", i, err)
		}
		if s.signature.Type == "PAdES" {
			err = verified(remote.root, s.path, content)
		} else {
			err = s.ask(remote.root, content)
		}
		if err != nil {
			t.Errorf("document %d is called signed: %v", i, err)
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDamageNamed(t, p.o.State)
}

// wantDamageNamed checks that `signctl state check` names each damaged document, and no other.
func wantDamageNamed(t *testing.T, state string) {
	t.Helper()
	signctl := filepath.Join(build(t), "signctl")
	out, err := exec.CommandContext(t.Context(), signctl, "state", "check", state).CombinedOutput()
	if err == nil {
		t.Errorf("state check found nothing: %s", out)
	}
	for i := range 2 * len(shapes()) {
		fault := fmt.Sprintf(" document %d: its bytes are not those that were received", i)
		if got := bytes.Contains(out, []byte(fault)); got != (i%2 == 0) {
			t.Errorf("state check names document %d: %v\n%s", i, got, out)
		}
	}
}

// damageEverySecond changes a byte in the middle of the first, third and so on document of a stored
// operation, which has two documents of each shape.
func damageEverySecond(t *testing.T, path string) {
	t.Helper()
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	from := 0
	for i := range 2 * len(shapes()) {
		original := shapes()[i/2].original
		at := bytes.Index(stored[from:], original)
		if at < 0 {
			t.Fatalf("document %d is not in the stored operation", i)
		}
		middle := from + at + len(original)/2
		if i%2 == 0 {
			if _, err := f.WriteAt([]byte{stored[middle] ^ 1}, int64(middle)); err != nil {
				t.Fatal(err)
			}
		}
		from += at + len(original)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
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
