package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestFullDiskPaysOnce checks that no signature is paid twice if others fill the disk while calls
// are running. Returned values are stored in the reserved room, no call starts while there is no
// room, and all documents are signed once there is room again.
func TestFullDiskPaysOnce(t *testing.T) {
	t.Parallel()
	const documents = 40
	remote := newRemoteSide(t, service.Options{Credentials: []service.Credential{{Multisign: 8}}})
	p := newTestProxy(t,
		append(remote.flags(), "--disk.min-free=1MiB", "--signing.retry.backoff=50ms", "--signing.tries=1")...)
	if err := os.MkdirAll(p.o.State, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountSmall(p.o.State, 48<<20); err != nil {
		t.Skip("NOT SHOWN: ", err)
	}
	t.Cleanup(func() { _ = unmountSmall(p.o.State) })
	p.start(t)
	remote.Hold()
	r := oneDocument(t, "full", client.SignatureInfo{})
	r.Documents = nil
	for k := range documents {
		r.Documents = append(r.Documents, shapes()[k%len(shapes())].document(fmt.Sprint("full/", k)))
	}
	c := newClient(t, p.Instance)
	if _, err := c.SignAsync(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	until(t, "a call is held", func() bool { return remote.Counts().Held > 0 })
	filler, err := os.Create(filepath.Join(p.o.State, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	until(t, "the disk is full", func() bool { return fillDisk(filler) })
	remote.Release()
	until(t, "values came back and are stored", func() bool {
		n := p.signatures(t)
		return n["returned"] > 0 && n["returned"] == remote.Counts().Signatures && n["sent"] == n["returned"]
	})
	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	op, err := c.Wait(t.Context(), "full")
	if err != nil || op.Status != client.StatusExecuted {
		t.Fatalf("Wait = %+v, %v, want it executed", op, err)
	}
	var signed memorySink
	if op, err = c.Detail(t.Context(), "full", &signed); err != nil || len(signed) != documents {
		t.Fatalf("%d documents are signed, %v, want %d", len(signed), err, documents)
	}
	for k, d := range op.Documents {
		if err := shapes()[k%len(shapes())].verify(signed[d.Content].Bytes(), "", nil); err != nil {
			t.Errorf("document %d: %v", k, err)
		}
	}
	if n := p.signatures(t); remote.Counts().Signatures != documents || n["unknown"] != 0 {
		t.Errorf("%d signatures were made for %d documents, counters %v", remote.Counts().Signatures, documents, n)
	}
}
