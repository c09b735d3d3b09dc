package signing_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// TestReferenceIsUsedOnce: a client service cannot use an external reference twice.
func TestReferenceIsUsedOnce(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.mustSubmit("a", "r1", "one")
		if _, err := h.submit("a", "r1", "two"); signing.KindOf(err) != signing.KindReferenceUsed {
			t.Errorf("second Submit = %v, want reference-used", err)
		}
		h.mustSubmit("b", "r1", "three") // references of another client service are separate
	})
}

// TestIdempotencyKey: a repeated request with the same key gets the first operation and is not
// signed again. Another request with that key is refused.
func TestIdempotencyKey(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		send := func(key, content string) (signing.Operation, bool, error) {
			up, err := h.NewUpload(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c, err := up.Add(bytes.NewReader([]byte(content)))
			if err != nil {
				t.Fatal(err)
			}
			signature := signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB}
			return h.Submit(t.Context(), up, signing.Submission{
				ClientService:  "a",
				IdempotencyKey: key,
				Contents:       []signing.Content{c},
				Request: signing.Request{
					ExternalReference: "r1",
					Documents:         []signing.DocumentRequest{{Signature: signature}},
				},
			})
		}
		first, replayed, err := send("k", "one")
		if err != nil || replayed {
			t.Fatalf("first = %v, %v", replayed, err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if again, replayed, err := send("k", "one"); err != nil || !replayed || again.ID != first.ID {
					t.Errorf("repeated = %v, %v, %v, want a replay of %v", again.ID, replayed, err, first.ID)
				}
			})
		}
		wg.Wait()
		if _, _, err := send("k", "other"); signing.KindOf(err) != signing.KindKeyReused {
			t.Errorf("same key, other content = %v, want key-reused", err)
		}
		h.check(first.ID, signing.StatusExecuted, "s")
		if h.checkCounters(true).Sent != 1 {
			t.Error("a repeated request was signed")
		}
	})
}

// TestCreateFault: an operation that Create could not store is not accepted and takes no room in
// the queue.
func TestCreateFault(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.FailNext("Create", 1, storetest.NotStored)
		if _, err := h.submit("a", "r1", "one"); err == nil {
			t.Error("Submit succeeds although nothing was stored")
		}
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
	})
}

// TestCreateMisreported: an operation that was stored runs although Create reported an error, and
// its client is not told that it was refused.
func TestCreateMisreported(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.memory.FailNext("Create", 1, storetest.Misreported)
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		h.checkCounters(true)
		if st := h.Stats(); st.QueuedDocuments != 0 {
			t.Errorf("Stats = %+v, want an empty queue", st)
		}
	})
}

// blindStore is a store whose references cannot be read while blind is true.
type blindStore struct {
	signing.Store
	blind *atomic.Bool
}

// FindByReference implements signing.Records.
func (b blindStore) FindByReference(ctx context.Context, client, reference string) ([]signing.Operation, error) {
	if b.blind.Load() {
		return nil, errors.New("input/output error")
	}
	return b.Store.FindByReference(ctx, client, reference)
}

// TestCreateMisreportedAndUnread: an operation that was stored although Create failed, and that
// cannot be read for a while, runs when it can be read.
func TestCreateMisreportedAndUnread(t *testing.T) {
	faults := map[string]storetest.Fault{"stored": storetest.Misreported, "not stored": storetest.NotStored}
	for name, fault := range faults {
		var blind atomic.Bool
		run(t, func(h *harness) { h.store = blindStore{h.memory, &blind} }, func(t *testing.T, h *harness) {
			h.memory.FailNext("Create", 1, fault)
			blind.Store(true)
			if _, err := h.submit("a", "r1", "one"); signing.KindOf(err) != signing.KindStorage {
				t.Fatalf("%s: Submit = %v, want KindStorage", name, err)
			}
			time.Sleep(10 * time.Minute) // fake time
			blind.Store(false)
			time.Sleep(10 * time.Minute) // fake time
			ops, err := h.store.FindByReference(t.Context(), "a", "r1")
			if err != nil || len(ops) != 0 && ops[0].Status != signing.StatusExecuted ||
				(len(ops) == 1) != (fault == storetest.Misreported) {
				t.Errorf("%s: operations = %+v, %v", name, ops, err)
			}
			if st := h.Stats(); st.QueuedDocuments != 0 {
				t.Errorf("%s: Stats = %+v, want an empty queue", name, st)
			}
		})
	}
}
