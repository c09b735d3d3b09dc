package signing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// TestJournalFaults: the operation ends with every document signed when any one write of the
// journal fails once. Each write fails in both ways: nothing was stored, or it was stored but
// reported as failed. Every signature that is made is accounted for.
func TestJournalFaults(t *testing.T) {
	for _, method := range []string{"SavePrepared", "BeginCall", "EndCall", "FinishDocuments", "SetStatus"} {
		for way, fault := range map[string]storetest.Fault{"nothing stored": storetest.NotStored, "stored": storetest.Misreported} {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", method, way, n), func(t *testing.T) {
					memory := storetest.NewMemory()
					run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
						memory.FailNext(method, n, fault)
						id := h.mustSubmit("a", "r1", names(150)...)
						h.check(id, signing.StatusExecuted, strings.Repeat("s", 150))
						h.accounts(false)
					})
				})
			}
		}
	}
}

// TestLongDiskFault: a disk that is full for hours delays an operation and loses nothing.
func TestLongDiskFault(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(20)...)
		memory.Inject(func(string) storetest.Fault { return storetest.NotStored })
		time.Sleep(5 * time.Hour)
		memory.Inject(nil)
		h.check(id, signing.StatusExecuted, strings.Repeat("s", 20))
		h.accounts(false)
	})
}

// TestCreateFault: an operation that Create could not store is not accepted and takes no room in
// the queue.
func TestCreateFault(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
		memory.FailNext("Create", 1, storetest.NotStored)
		if _, err := h.submit("a", "r1", "one"); err == nil {
			t.Error("Submit succeeds although nothing was stored")
		}
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
	})
}

// TestOpenCallsAreSettled: a call whose answer was never recorded is counted as unknown, and the
// policy decides about its documents. Its answer is requested again where the provider can give it.
func TestOpenCallsAreSettled(t *testing.T) {
	for name, c := range map[string]struct {
		policy  signing.UnknownPolicy
		handle  string
		outage  int
		status  signing.Status
		docs    string
		unknown int64
	}{
		"retry":        {signing.UnknownRetry, "", 0, signing.StatusExecuted, "ss", 2},
		"fail":         {signing.UnknownFail, "", 0, signing.StatusFailed, "ff", 2},
		"resume":       {signing.UnknownFail, "r-1", 0, signing.StatusExecuted, "ss", 0},
		"after outage": {signing.UnknownFail, "r-1", 5, signing.StatusExecuted, "ss", 0},
		"gone":         {signing.UnknownRetry, "lost", 0, signing.StatusExecuted, "ss", 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.cfg.UnknownOutcome = c.policy
				h.provider.latency = time.Hour
				h.cfg.Grace = time.Second
			}, func(t *testing.T, h *harness) {
				id := h.crashedOperation("one", "two")
				refs := []signing.Ref{{Operation: id, Index: 0}, {Operation: id, Index: 1}}
				if err := h.store.BeginCall(
					t.Context(),
					signing.CallRecord{ID: "call", Credential: "test", Refs: refs},
				); err != nil {
					t.Fatal(err)
				}
				if c.handle != "" {
					if err := h.store.NoteCall(t.Context(), "call", c.handle); err != nil {
						t.Fatal(err)
					}
				}
				h.provider.latency, h.provider.outage = time.Millisecond, c.outage
				h.start()
				h.check(id, c.status, c.docs)
				if got, err := h.store.Counters(t.Context()); err != nil || got.Unknown != c.unknown {
					t.Errorf("counters = %+v, %v, want %d unknown", got, err, c.unknown)
				}
			})
		})
	}
}

// TestStartOnFullDisk: a start on a full disk waits for room. The process does not end, and no
// operation is resumed twice.
func TestStartOnFullDisk(t *testing.T) {
	memory := storetest.NewMemory()
	run(t, func(h *harness) { h.store = memory }, func(t *testing.T, h *harness) {
		id := h.crashedOperation("one", "two")
		refs := []signing.Ref{{Operation: id, Index: 0}, {Operation: id, Index: 1}}
		if err := memory.BeginCall(t.Context(), signing.CallRecord{ID: "call", Credential: "test", Refs: refs}); err != nil {
			t.Fatal(err)
		}
		memory.Inject(func(string) storetest.Fault { return storetest.NotStored })
		h.start()
		time.Sleep(time.Hour)
		memory.Inject(nil)
		h.check(id, signing.StatusExecuted, "ss")
		if got, err := memory.Counters(t.Context()); err != nil || got.Sent != 4 || got.Unknown != 2 || got.Returned != 2 {
			t.Errorf("counters = %+v, %v", got, err)
		}
	})
}

// crashedOperation makes an operation whose documents are prepared, as a process leaves it that
// dies before the call. The service is stopped.
func (h *harness) crashedOperation(contents ...string) signing.ID {
	h.t.Helper()
	return h.crashedOperationOf("a", contents...)
}

// crashedOperationOf is crashedOperation for a given client service.
func (h *harness) crashedOperationOf(client string, contents ...string) signing.ID {
	h.t.Helper()
	h.stop()
	ctx := h.t.Context()
	up, err := h.store.NewUpload(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	op := signing.NewOperation{
		ClientService: client,
		Created:       time.Now(),
		Request:       signing.Request{ExternalReference: "r1"},
	}
	var prepared []signing.PreparedDocument
	for i, text := range contents {
		c, err := up.Add(strings.NewReader(text))
		if err != nil {
			h.t.Fatal(err)
		}
		op.Contents = append(op.Contents, c)
		op.Request.Documents = append(
			op.Request.Documents,
			signing.DocumentRequest{Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB}},
		)
		prepared = append(
			prepared,
			signing.PreparedDocument{
				Ref:      signing.Ref{Index: i},
				Prepared: signing.Prepared{Digest: c.SHA256[:], State: c.SHA256[:]},
			},
		)
	}
	created, err := h.store.Create(ctx, up, op)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range prepared {
		prepared[i].Operation = created.ID
	}
	if err := h.store.SavePrepared(ctx, prepared); err != nil {
		h.t.Fatal(err)
	}
	return created.ID
}

// unreadable is a store whose disk fails to read documents a given number of times.
type unreadable struct {
	signing.Store
	times *atomic.Int32
}

// OpenFile implements signing.Spool.
func (u unreadable) OpenFile(ctx context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	f, err := u.Store.OpenFile(ctx, id, c)
	if err == nil && u.times.Add(-1) >= 0 {
		return brokenFile{f}, nil
	}
	return f, err
}

// brokenFile is a file that cannot be read.
type brokenFile struct{ signing.File }

func (brokenFile) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// TestReadFaultIsNotTheDocuments: a document that could not be read is tried again and is not
// reported as damaged.
func TestReadFaultIsNotTheDocuments(t *testing.T) {
	var times atomic.Int32
	times.Store(3)
	run(t, func(h *harness) {
		h.store = unreadable{h.store, &times}
		h.format.embed = func([]byte) error { return nil }
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one", "two"), signing.StatusExecuted, "ss")
	})
}

// TestSignedReadAt: ReadAt of a signed document returns the right bytes at every offset and length,
// also across the boundary of the original and the section.
func TestSignedReadAt(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		d := h.check(h.mustSubmit("a", "r1", "one document"), signing.StatusExecuted, "s")[0]
		f, err := h.OpenSigned(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || int64(len(all)) != d.SignedSize() || !strings.HasPrefix(string(all), "one document") {
			t.Fatalf("signed document = %q, %v", all, err)
		}
		for off := range all {
			for n := 1; n <= len(all)-off; n++ {
				p := make([]byte, n)
				if got, err := f.ReadAt(
					p,
					int64(off),
				); got != n || err != nil && err != io.EOF ||
					string(p) != string(all[off:off+n]) {
					t.Fatalf("ReadAt(%d bytes, %d) = %d, %v, %q", n, off, got, err, p)
				}
			}
		}
		if n, err := f.ReadAt(make([]byte, 10), f.Size()-3); n != 3 || err != io.EOF {
			t.Errorf("ReadAt over the end = %d, %v, want 3, EOF", n, err)
		}
	})
}
