package signing_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// heavySection is about what a revocation list adds to a document.
const heavySection = 256 << 10

// heavy makes large sections and counts those that are not stored.
type heavy struct {
	fakeFormat
	signing.Store
	now, most atomic.Int64
}

func (h *heavy) Embed(ctx context.Context, in signing.Input, p signing.Prepared, value []byte) ([]byte, error) {
	if _, err := h.fakeFormat.Embed(ctx, in, p, value); err != nil {
		return nil, err
	}
	time.Sleep(time.Millisecond) // fake
	now := h.now.Add(1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	return make([]byte, heavySection), nil
}

func (h *heavy) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	h.now.Add(-int64(len(results)))
	for i := range results {
		results[i].Section = []byte("short") // the test has no disk
	}
	return h.Store.FinishDocuments(ctx, results)
}

// However many operations there are, few of their finished sections are in memory at a time.
func TestSectionsInMemoryAreBounded(t *testing.T) {
	for _, level := range []signing.Level{signing.LevelB, signing.LevelLT} {
		heavy := &heavy{Store: storetest.NewMemory()}
		run(t, func(h *harness) {
			h.provider.credential.MaxBatch, h.store = 100, heavy
			heavy.fakeFormat = h.format
			h.level, h.over = level, heavy
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
			if most := heavy.most.Load() * heavySection; most > 24<<20 {
				t.Errorf(
					"%s: %d MiB of sections waited in memory to be stored, want 16 and those that were just made",
					level,
					most>>20,
				)
			}
		})
	}
}

// What is given up says of each document what was in the way of that one.
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
				return signing.Errorf(signing.KindTimestamp, "no authority answers").Retryable(0)
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

// Without a credential, what has its signature already says what was in the way of its section.
func TestReasonWithoutCredential(t *testing.T) {
	var away atomic.Bool
	run(t, func(h *harness) {
		h.cfg.Providers = func(string) (signing.Provider, error) {
			if away.Load() {
				return nil, busy()
			}
			return h.provider, nil
		}
		h.provider.credential.MaxBatch = 1
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			if string(c.Digests[0]) == string(sum("refused")) {
				away.Store(true)
				return nil, busy()
			}
			return values, nil
		}
		h.format.embed = func([]byte) error { return signing.Errorf(signing.KindTimestamp, "no authority answers").Retryable(0) }
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r", "unstamped", "refused"), signing.StatusFailed, "ff")
		if docs[0].Failure.Kind != signing.KindTimestamp || docs[1].Failure.Kind != signing.KindProvider {
			t.Errorf("failures = %+v, %+v", docs[0].Failure, docs[1].Failure)
		}
	})
}
