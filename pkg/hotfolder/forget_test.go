//go:build linux

package hotfolder_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// left returns how many operations the service still has.
func (s *fakeService) left() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if !o.removed {
			n++
		}
	}
	return n
}

// TestOperationForgotten removes the operation of a run when the run has ended, so that the state
// folder holds only documents of runs that are worked on. Documents that failed make no difference.
func TestOperationForgotten(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("bad"))
		h.put("slow.pdf", pdf("slow"))
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf.txt=damaged: it is bad\n")
		if got := h.service.left(); got != 1 {
			t.Errorf("the service has %d operations while a document is signed, want 1", got)
		}
		h.service.release()
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf.txt=damaged: it is bad\n", "slow.pdf=signed "+pdf("slow"))
		h.has("backup", "a.pdf="+pdf("1"), "b.pdf="+pdf("bad"), "b.pdf.txt=damaged: it is bad\n", "slow.pdf="+pdf("slow"))
		if got := h.service.left(); got != 0 {
			t.Errorf("the service has %d operations after the run, want 0", got)
		}
	})
}

// TestOperationWithCallbackStays keeps an operation whose callback tells a client of it.
func TestOperationWithCallbackStays(t *testing.T) {
	inBubble(t, func(h *harness) { h.client.CallbackURL = "https://client.example.org/done" }, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
		if got := h.service.left(); got != 1 {
			t.Errorf("the service has %d operations, want 1", got)
		}
	})
}

// unreleased is a Storage that cannot remove a run.
type unreleased struct {
	hotfolder.Storage
	*fault
}

func (u unreleased) Release(ctx context.Context, run hotfolder.Run) error {
	if err := u.get(); err != nil {
		return err
	}
	return u.Storage.Release(ctx, run)
}

// TestOperationForgottenLast keeps the operation until the run is released. Otherwise a start after
// a crash would submit claims again that were submitted before.
func TestOperationForgottenLast(t *testing.T) {
	broken := &fault{err: errors.New("input/output error")}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return unreleased{s, broken} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.has("backup", "a.pdf="+pdf("1"))
		if got := h.service.left(); got != 1 {
			t.Errorf("the service has %d operations before the run is released, want 1", got)
		}
		broken.set(nil)
		h.pass(time.Minute)
		if got := h.service.left(); got != 0 {
			t.Errorf("the service has %d operations after the run, want 0", got)
		}
	})
}
