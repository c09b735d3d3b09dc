package signing_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// harness is a service on the in-memory store.
type harness struct {
	t        *testing.T
	provider *fakeProvider
	format   fakeFormat
	memory   *storetest.Memory
	store    signing.Store // memory, or a store around it
	cfg      signing.Config
	waiting  bool           // submit as a sync request
	level    signing.Level  // of submitted documents; empty = B-B
	override signing.Format // replaces format; nil = format
	*signing.Service
	stop func()
}

// newHarness starts a service. change may replace parts of the harness before the start.
func newHarness(t *testing.T, change func(*harness)) *harness {
	t.Helper()
	memory := storetest.NewMemory()
	h := &harness{t: t, provider: newProvider(t), memory: memory, store: memory}
	h.format.credential = &h.provider.credential
	if change != nil {
		change(h)
	}
	h.start()
	return h
}

// start creates a service on the store, as a new process does.
func (h *harness) start() {
	cfg := h.cfg
	cfg.Store = h.store
	cfg.Formats = map[signing.SignatureType]signing.Format{signing.PAdES: h.format}
	if h.override != nil {
		cfg.Formats[signing.PAdES] = h.override
	}
	if cfg.Providers == nil {
		cfg.Providers = func(string) (signing.Provider, error) { return h.provider, nil }
	}
	cfg.Log = testr.New(h.t)
	h.Service = signing.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Start(ctx) }()
	synctest.Wait()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Start = %v", err)
		}
	})
}

// submit sends documents in one request with the given reference.
func (h *harness) submit(client, reference string, contents ...string) (signing.Operation, error) {
	h.t.Helper()
	ctx := context.Background()
	up, err := h.NewUpload(ctx)
	if err != nil {
		return signing.Operation{}, err
	}
	sub := signing.Submission{
		ClientService: client,
		Waiting:       h.waiting,
		Request:       signing.Request{ExternalReference: reference, Description: "test"},
	}
	for i, c := range contents {
		content, err := up.Add(bytes.NewReader([]byte(c)))
		if err != nil {
			return signing.Operation{}, err
		}
		sub.Contents = append(sub.Contents, content)
		sub.Request.Documents = append(sub.Request.Documents, signing.DocumentRequest{
			ExternalReference: fmt.Sprintf("%s-%d", reference, i), Name: "a.pdf", ContentType: "application/pdf",
			Signature: signing.SignatureInfo{Type: signing.PAdES, Level: cmp.Or(h.level, signing.LevelB)},
		})
	}
	op, _, err := h.Submit(ctx, up, sub)
	return op, err
}

// mustSubmit is submit for requests that must be accepted.
func (h *harness) mustSubmit(client, reference string, contents ...string) signing.ID {
	h.t.Helper()
	op, err := h.submit(client, reference, contents...)
	if err != nil {
		h.t.Fatalf("Submit(%s) = %v", reference, err)
	}
	return op.ID
}

// waitFor waits until the operation has ended, for a day of fake time at most.
func (h *harness) waitFor(id signing.ID) signing.Operation {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	op, err := h.Wait(ctx, id)
	if err != nil {
		h.t.Fatalf("Wait(%s) = %v", id, err)
	}
	return op
}

// check waits for the operation and compares the state of every document. want has one letter for
// each document: s(igned) or f(ailed). Signed documents must verify.
func (h *harness) check(id signing.ID, status signing.Status, want string) []signing.Document {
	h.t.Helper()
	op := h.waitFor(id)
	if op.Status != status {
		h.t.Errorf("operation %s: status = %s, want %s", id, op.Status, status)
	}
	docs, err := h.Documents(context.Background(), id, 0, 10_000)
	if err != nil {
		h.t.Fatal(err)
	}
	var got []byte
	for _, d := range docs {
		switch d.State {
		case signing.DocumentSigned:
			got = append(got, 's')
			h.verify(d)
		case signing.DocumentFailed:
			got = append(got, 'f')
			if d.Failure == nil {
				h.t.Errorf("document %d failed without a reason", d.Index)
			}
		default:
			got = append(got, '?')
		}
	}
	if string(got) != want {
		h.t.Errorf("operation %s: documents = %s, want %s", id, got, want)
	}
	return docs
}

// verify checks a signed document as its receiver does.
func (h *harness) verify(d signing.Document) {
	h.t.Helper()
	f, err := h.OpenSigned(context.Background(), d)
	if err != nil {
		h.t.Errorf("OpenSigned(%d) = %v", d.Index, err)
		return
	}
	defer f.Close()
	all, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		h.t.Error(err)
		return
	}
	digest := sha256.Sum256(all[:d.Content.Size])
	if err := signing.VerifyValue(&h.provider.credential, digest[:], all[d.Content.Size:]); err != nil {
		h.t.Errorf("document %d: %v", d.Index, err)
	}
}

// checkCounters checks that each signature that was made is stored or counted as unknown.
func (h *harness) checkCounters(exact bool) signing.Counters {
	h.t.Helper()
	c, err := h.store.Counters(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	made := int64(h.provider.made)
	if made > c.Returned+c.Unknown || exact && made != c.Returned {
		h.t.Errorf("%d signatures were made, counters say %+v", made, c)
	}
	return c
}

// run calls f with a harness in a synctest bubble.
func run(t *testing.T, change func(*harness), f func(*testing.T, *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, change)
		defer func() { h.stop() }()
		f(t, h)
	})
}

// sum returns the digest of a document.
func sum(content string) []byte {
	s := sha256.Sum256([]byte(content))
	return s[:]
}

// names returns the contents of n different documents.
func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("document %d", i))
	}
	return slices.Clip(out)
}
