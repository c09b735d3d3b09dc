package signing_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// largeSection is about as many bytes as a revocation list adds to a document.
const largeSection = 256 << 10

// largeSections makes large sections and counts those that are not stored yet.
type largeSections struct {
	fakeFormat
	signing.Store
	now, most atomic.Int64
}

// Embed implements signing.Format.
func (h *largeSections) Embed(
	ctx context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	if _, _, err := h.fakeFormat.Embed(ctx, in, p, value); err != nil {
		return nil, nil, err
	}
	time.Sleep(time.Millisecond) // fake time
	now := h.now.Add(1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	return make([]byte, largeSection), signing.Appended(in.File.Size(), largeSection), nil
}

// FinishDocuments implements signing.Journal.
func (h *largeSections) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	h.now.Add(-int64(len(results)))
	for i := range results {
		results[i].Section, results[i].Pieces = []byte("short"), nil // the test has no disk
	}
	return h.Store.FinishDocuments(ctx, results)
}

// TestSectionsInMemoryAreBounded: only few finished sections are in memory at the same time,
// also when many operations run.
func TestSectionsInMemoryAreBounded(t *testing.T) {
	for _, level := range []signing.Level{signing.LevelB, signing.LevelLT} {
		large := new(largeSections)
		run(t, func(h *harness) {
			h.provider.credential.MaxBatch = 100
			large.fakeFormat, large.Store, h.store = h.format, h.memory, large
			h.level, h.override = level, large
		}, func(t *testing.T, h *harness) {
			var ids []signing.ID
			for i := range 4 {
				ids = append(ids, h.mustSubmit("a", fmt.Sprint(i), names(256)...))
			}
			for _, id := range ids {
				if op := h.waitFor(id); op.Status != signing.StatusExecuted {
					t.Errorf("%s: operation is %s", level, op.Status)
				}
			}
			if most := large.most.Load() * largeSection; most > 24<<20 {
				t.Errorf("%s: %d MiB of sections were in memory, want at most 24", level, most>>20)
			}
		})
	}
}

// TestEachDocumentHasItsReason: when an operation is given up, each document fails with its own
// reason.
func TestEachDocumentHasItsReason(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch = 1
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			if string(c.Digests[0]) == string(sum("refused")) {
				return nil, busy()
			}
			return values, nil
		}
		h.format.embed = func(content []byte) error {
			if string(content) == "unstamped" {
				return noTimestamp()
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r", "unstamped", "refused", "good"), signing.StatusExecuted, "ffs")
		for i, want := range []signing.Kind{signing.KindTimestamp, signing.KindProvider} {
			if got := docs[i].Failure; got.Kind != want {
				t.Errorf("document %d failed with %+v, want %s", i, got, want)
			}
		}
	})
}

// TestReasonWithoutCredential: when the credential cannot be read, a document that already has its
// signature value still fails with the reason why it could not be embedded.
func TestReasonWithoutCredential(t *testing.T) {
	var unavailable atomic.Bool
	run(t, func(h *harness) {
		h.cfg.Providers = func(string) (signing.Provider, error) {
			if unavailable.Load() {
				return nil, busy()
			}
			return h.provider, nil
		}
		h.provider.credential.MaxBatch = 1
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			if string(c.Digests[0]) == string(sum("refused")) {
				unavailable.Store(true)
				return nil, busy()
			}
			return values, nil
		}
		h.format.embed = func([]byte) error { return noTimestamp() }
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r", "unstamped", "refused"), signing.StatusFailed, "ff")
		if docs[0].Failure.Kind != signing.KindTimestamp || docs[1].Failure.Kind != signing.KindProvider {
			t.Errorf("failures = %+v, %+v", docs[0].Failure, docs[1].Failure)
		}
	})
}
