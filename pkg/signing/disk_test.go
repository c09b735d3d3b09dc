package signing_test

import (
	"context"
	"errors"
	"fmt"
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
	faults := map[string]storetest.Fault{"nothing stored": storetest.NotStored, "stored": storetest.Misreported}
	for _, method := range []string{"SavePrepared", "BeginCall", "EndCall", "FinishDocuments", "SetStatus"} {
		for way, fault := range faults {
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%s/%d", method, way, n), func(t *testing.T) {
					run(t, nil, func(t *testing.T, h *harness) {
						h.memory.FailNext(method, n, fault)
						id := h.mustSubmit("a", "r1", names(150)...)
						h.check(id, signing.StatusExecuted, strings.Repeat("s", 150))
						h.checkCounters(false)
					})
				})
			}
		}
	}
}

// TestLongDiskFault: a disk that is full for hours delays an operation and loses nothing.
func TestLongDiskFault(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(20)...)
		h.memory.Inject(func(string) storetest.Fault { return storetest.NotStored })
		time.Sleep(5 * time.Hour)
		h.memory.Inject(nil)
		h.check(id, signing.StatusExecuted, strings.Repeat("s", 20))
		h.checkCounters(false)
	})
}

// unreadableStore is a store whose disk fails to read documents a given number of times.
type unreadableStore struct {
	signing.Store
	times *atomic.Int32
}

// OpenFile implements signing.Spool.
func (u unreadableStore) OpenFile(ctx context.Context, id signing.ID, c signing.Content) (signing.File, error) {
	f, err := u.Store.OpenFile(ctx, id, c)
	if err == nil && u.times.Add(-1) >= 0 {
		return brokenFile{f}, nil
	}
	return f, err
}

// brokenFile is a file that cannot be read.
type brokenFile struct{ signing.File }

func (brokenFile) ReadAt([]byte, int64) (int, error) { return 0, errors.New("input/output error") }

// TestReadFaultIsNotDamage: a document that could not be read is retried and not reported as
// damaged.
func TestReadFaultIsNotDamage(t *testing.T) {
	var times atomic.Int32
	times.Store(3)
	run(t, func(h *harness) {
		h.store = unreadableStore{h.store, &times}
		h.format.embed = func([]byte) error { return nil }
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one", "two"), signing.StatusExecuted, "ss")
	})
}
