//go:build linux

package hotfolder_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// counting counts the calls that read the input folder.
type counting struct {
	hotfolder.Storage
	lists, stats *atomic.Int64
}

func (s counting) List(ctx context.Context) iter.Seq2[hotfolder.Entry, error] {
	s.lists.Add(1)
	return s.Storage.List(ctx)
}

func (s counting) Stat(ctx context.Context, name string) (hotfolder.Entry, error) {
	s.stats.Add(1)
	return s.Storage.Stat(ctx, name)
}

// seldomListed makes a folder that is listed once an hour, and counts how it is read.
func seldomListed(h *harness) counting {
	c := counting{lists: new(atomic.Int64), stats: new(atomic.Int64)}
	h.cfg.Scan = time.Hour
	h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return counting{s, c.lists, c.stats} }
	return c
}

// TestNotify signs a file that a notification names, with its sidecar, without listing the folder.
func TestNotify(t *testing.T) {
	var c counting
	inBubble(t, func(h *harness) { c = seldomListed(h) }, func(h *harness) {
		h.pass(time.Minute)
		h.put("a.txt", "1")
		h.put("b.txt", "2")
		h.put("b.txt.sign.json", `{"signatureInfo": {"signatureType": "CAdES", "packaging": "DETACHED"}}`)
		h.put("c.txt", "not named")
		h.put("ignored.part", "3")
		if !h.engine.Notify(clientID, []string{"a.txt", "b.txt", "ignored.part"}) || h.engine.Notify("other", nil) {
			t.Error("Notify knows other client services than the one with a hot folder")
		}
		h.pass(time.Minute)
		h.has("out", "a.txt.p7m=signed 1", "b.txt.p7s=signed 2")
		h.has("in", "c.txt=not named", "ignored.part=3")
		if n := c.lists.Load(); n != 1 {
			t.Errorf("the folder was listed %d times, want 1", n)
		}
		h.engine.Notify(clientID, nil)
		h.pass(time.Minute)
		if n := c.lists.Load(); n != 2 {
			t.Errorf("the folder was listed %d times after a notification without names, want 2", n)
		}
		h.has("in", "ignored.part=3")
	})
}

// TestNotifyOfNothing checks that notifications with false and hostile names change nothing, and
// that many of them cost little.
func TestNotifyOfNothing(t *testing.T) {
	var c counting
	inBubble(t, func(h *harness) { c = seldomListed(h) }, func(h *harness) {
		h.pass(time.Minute)
		h.engine.Notify(clientID, []string{"", ".", "..", "../out", "sub/a.txt", "a\x00b", ".signstash", "gone.txt",
			strings.Repeat("x", 5000)})
		h.pass(time.Minute)
		before := c.stats.Load()
		for i := range 100 {
			names := make([]string, 1000)
			for j := range names {
				names[j] = fmt.Sprintf("%d-%d.txt", i, j)
			}
			h.engine.Notify(clientID, names)
			h.pass(10 * time.Millisecond)
		}
		h.pass(time.Minute)
		if n := c.stats.Load() - before; n > 600 { // at once, after a second, after two
			t.Errorf("100,000 names within a second cost %d look-ups, want at most 600", n)
		}
		if n := c.lists.Load(); n > 4 {
			t.Errorf("the folder was listed %d times, want at most 4", n)
		}
		if files := h.visible("out"); len(files) > 0 || h.metric("folder_usable", "") != 1 {
			t.Errorf("the folder is not usable, or has %q in the output", files)
		}
	})
}
