//go:build linux

package hotfolder_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// TestMoreFilesThanWindow signs all files of a folder that has more than are remembered, oldest
// first.
func TestMoreFilesThanWindow(t *testing.T) {
	const files = 200
	inBubble(t, func(h *harness) { h.cfg.Window, h.cfg.MaxFiles, h.cfg.MaxRuns = 20, 10, 1 }, func(h *harness) {
		for i := range files {
			name := fmt.Sprintf("%03d", files-i)
			h.put(name, "text")
			chtimes(t, h.path("in", name), time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC))
		}
		h.pass(20 * time.Second)
		if out := h.visible("out"); len(out) == 0 || len(out) < files && out["200.p7m"] == "" {
			t.Errorf("after 20 seconds %d files are signed, the oldest is not among them", len(out))
		}
		h.pass(10 * time.Minute)
		if out := len(h.visible("out")); out != files {
			t.Errorf("%d outputs, want %d", out, files)
		}
		h.has("in")
	})
}

// TestMoreCompanionsThanWindow finds the sidecars and markers of a folder that has more of them
// than are remembered.
func TestMoreCompanionsThanWindow(t *testing.T) {
	const files = 100
	inBubble(t, func(h *harness) {
		h.cfg.Window, h.cfg.MaxFiles, h.cfg.DoneSuffix = 20, 10, ".done"
	}, func(h *harness) {
		for i := range files {
			name := fmt.Sprintf("%03d", i)
			h.put(name+".sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
			h.put(name, "text")
			h.put(name+".done", "")
		}
		h.put("unmarked", "text")
		h.pass(5 * time.Minute)
		out := h.visible("out")
		for i := range files {
			if name := fmt.Sprintf("%03d.p7s", i); out[name] == "" {
				t.Errorf("the output has no %s", name)
			}
		}
		if len(out) != files {
			t.Errorf("%d outputs, want %d", len(out), files)
		}
		h.has("in", "unmarked=text")
	})
}

// crowded is a Storage whose list takes long, because it has many files. It gives a hint after each
// list.
type crowded struct {
	hotfolder.Storage
	lists *atomic.Int32
	hints chan struct{}
}

func (c crowded) List(ctx context.Context) iter.Seq2[hotfolder.Entry, error] {
	c.lists.Add(1)
	time.Sleep(3 * time.Second) // of the fake clock
	select {
	case c.hints <- struct{}{}:
	default:
	}
	return c.Storage.List(ctx)
}

func (c crowded) Wake() <-chan struct{} { return c.hints }

// TestManyHints does not list a large folder all the time while files arrive.
func TestManyHints(t *testing.T) {
	lists := new(atomic.Int32)
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return crowded{s, lists, make(chan struct{}, 1)} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(330 * time.Second)
		if n := lists.Load(); n < 9 || n > 11 {
			t.Errorf("the folder was listed %d times in 330 seconds, want 10 times: a list takes 3 seconds", n)
		}
		h.has("out", "a.pdf=signed "+pdf("1"))
	})
}

// busy is a Storage with a file that somebody uses.
type busy struct {
	hotfolder.Storage
	tries *atomic.Int32
}

func (b busy) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	errs := make([]error, len(files))
	for i, e := range files {
		errs[i] = hotfolder.ErrInUse
		if e.Name != "busy.pdf" || b.tries.Add(1) > 3 {
			errs[i] = errors.Join(b.Storage.Claim(ctx, run, files[i:i+1])...)
		}
	}
	return errs
}

// TestBusyFile tries a file again that somebody uses (EBUSY), and signs the others meanwhile.
func TestBusyFile(t *testing.T) {
	tries := new(atomic.Int32)
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return busy{s, tries} }
	}, func(h *harness) {
		h.put("busy.pdf", pdf("1"))
		h.put("free.pdf", pdf("2"))
		h.pass(12 * time.Second)
		h.has("out", "free.pdf=signed "+pdf("2"))
		h.pass(time.Minute)
		h.has("out", "busy.pdf=signed "+pdf("1"), "free.pdf=signed "+pdf("2"))
	})
}
