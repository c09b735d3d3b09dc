//go:build linux

package hotfolder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// dying is a Storage of a process that dies at a step: from then on all its methods fail. The step
// is a call that changes something. It happens before the process dies, or it does not.
type dying struct {
	hotfolder.Storage
	*death
}

// death says when a process dies, and counts its steps.
type death struct {
	mu     sync.Mutex
	steps  int
	at     int  // the step; 0 = never
	before bool // the step does not happen
	died   bool
}

var errDead = errors.New("the process is dead")

// step reports whether a step may happen, and whether the process lives afterwards.
func (d *death) step() (happens, lives bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.died {
		return false, false
	}
	d.steps++
	if d.steps == d.at {
		d.died = true
		return !d.before, false
	}
	return true, true
}

func (d dying) one(call func() error) error {
	happens, lives := d.step()
	if !happens {
		return errDead
	}
	err := call()
	if !lives {
		return errDead
	}
	return err
}

// all is one for a method with several elements, of which only the first half happens if the
// process dies afterwards.
func all[T any](d dying, list []T, call func([]T) []error) []error {
	happens, lives := d.step()
	dead := make([]error, len(list))
	for i := range dead {
		dead[i] = errDead
	}
	if !happens {
		return dead
	}
	if !lives {
		call(list[:(len(list)+1)/2])
		return dead
	}
	return call(list)
}

func (d dying) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	return all(d, files, func(l []hotfolder.Entry) []error { return d.Storage.Claim(ctx, run, l) })
}

func (d dying) Open(ctx context.Context, c hotfolder.Claim) (hotfolder.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.died {
		return nil, errDead
	}
	return d.Storage.Open(ctx, c)
}

func (d dying) Note(ctx context.Context, run hotfolder.Run, key string, text []byte) error {
	return d.one(func() error { return d.Storage.Note(ctx, run, key, text) })
}

func (d dying) PutBack(ctx context.Context, c hotfolder.Claim) error {
	return d.one(func() error { return d.Storage.PutBack(ctx, c) })
}

func (d dying) Release(ctx context.Context, run hotfolder.Run) error {
	return d.one(func() error { return d.Storage.Release(ctx, run) })
}

func (d dying) Stage(ctx context.Context, c hotfolder.Claim, index int, name string, content io.Reader) error {
	return d.one(func() error { return d.Storage.Stage(ctx, c, index, name, content) })
}

func (d dying) Deliver(ctx context.Context, run hotfolder.Run, claims []hotfolder.Claim) []error {
	return all(d, claims, func(l []hotfolder.Claim) []error { return d.Storage.Deliver(ctx, run, l) })
}

func (d dying) Backup(ctx context.Context, run hotfolder.Run, files []hotfolder.BackupFile) []error {
	return all(d, files, func(l []hotfolder.BackupFile) []error { return d.Storage.Backup(ctx, run, l) })
}

// TestCrashAtEachStep lets the process die before and after each change of the folders, and starts
// another one. A consumer removes all outputs before that. Each file is delivered once.
func TestCrashAtEachStep(t *testing.T) {
	for at := 1; ; at++ {
		reached := false
		for _, before := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d/%v", at, before), func(t *testing.T) {
				d := &death{at: at, before: before}
				crash(t, d)
				reached = reached || d.died
			})
		}
		if !reached || t.Failed() {
			if at < 10 {
				t.Errorf("a run has %d steps, want more", at)
			}
			return
		}
	}
}

func crash(t *testing.T, d *death) {
	inBubble(t, func(h *harness) {
		h.cfg.MaxFiles = 3
		h.cfg.Scan = time.Second
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return dying{s, d} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("bad"))
		h.put("c.txt.sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
		h.put("c.txt", "3")
		h.put("d.xml", xml("4"))
		h.put("e.pdf.sign.json", `{"unknown": 1}`)
		h.put("e.pdf", pdf("5"))
		h.pass(20 * time.Second)
		h.consume()
		h.stop()
		h.wrap = nil
		h.start()
		h.pass(time.Minute)
		h.consume()
		if h.seenMany {
			t.Error("an output was delivered twice")
		}
		want := map[string]string{"a.pdf": "signed %PDF", "b.pdf.txt": "damaged", "c.txt.p7s": "signed 3",
			"d.xml": "signed <?xml", "e.pdf.txt": "invalid"}
		for name, begin := range want {
			if !strings.HasPrefix(h.seen[name], begin) {
				t.Errorf("output %s = %q, want %q", name, h.seen[name], begin)
			}
		}
		if len(h.seen) != len(want) {
			t.Errorf("outputs = %q", h.seen)
		}
		backup := h.visible("backup")
		for _, name := range []string{"a.pdf", "b.pdf", "c.txt", "c.txt.sign.json", "d.xml", "e.pdf", "e.pdf.sign.json",
			"b.pdf.txt", "e.pdf.txt"} {
			if _, ok := backup[name]; !ok {
				t.Errorf("backup has no %s", name)
			}
		}
		h.has("in")
		if h.service.signed != 3 {
			t.Errorf("%d signatures were made, want 3", h.service.signed)
		}
	})
}

// faulty is a Storage whose output folder can be broken.
type faulty struct {
	hotfolder.Storage
	*fault
}

type fault struct {
	mu  sync.Mutex
	err error
}

func (f *fault) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fault) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f faulty) Stage(ctx context.Context, c hotfolder.Claim, index int, name string, content io.Reader) error {
	if err := f.get(); err != nil {
		return err
	}
	return f.Storage.Stage(ctx, c, index, name, content)
}

// TestFullOutput stops claims while the output folder is full or read-only, and keeps results.
func TestFullOutput(t *testing.T) {
	broken := &fault{err: errors.New("no space left on device")}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return faulty{s, broken} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.put("b.pdf", pdf("2"))
		h.pass(10 * time.Minute)
		h.has("in", "b.pdf="+pdf("2"))
		h.has("out")
		if h.metric("blocked_total", "output") == 0 {
			t.Error("blocked_total is 0")
		}
		broken.set(nil)
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf=signed "+pdf("2"))
		if h.service.signed != 2 {
			t.Errorf("%d signatures were made, want 2", h.service.signed)
		}
	})
}

// silent says that all other instances have been silent for a long time.
type silent struct{ hotfolder.Storage }

func (s silent) Owners(ctx context.Context) ([]hotfolder.Owner, error) {
	list, err := s.Storage.Owners(ctx)
	for i := range list {
		list[i].Silent = 3 * time.Minute
	}
	return list, err
}

// TestTakeOver delivers the files of an instance that is gone, and leaves those of one that may
// come back.
func TestTakeOver(t *testing.T) {
	d := &death{at: 2} // after the first Stage
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return dying{s, d} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		h.pass(20 * time.Second)
		h.stop()
		h.service = newFakeService() // its state folder is lost
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return silent{s} }
		h.cfg.Ordinal = 1
		h.start()
		h.pass(10 * time.Minute)
		h.has("out")
		h.stop()
		h.cfg.Expected = func(ordinal int) bool { return ordinal != 0 }
		h.start()
		h.pass(10 * time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"), "b.pdf=signed "+pdf("2"))
		h.has("in")
		if got := h.metric("taken_over_runs_total", ""); got != 1 {
			t.Errorf("%v runs taken over, want 1", got)
		}
	})
}

// TestTwoInstances lets two instances work on one folder. Each file is delivered once.
func TestTwoInstances(t *testing.T) {
	const files = 300
	inBubble(t, func(h *harness) { h.cfg.MaxFiles = 7 }, func(h *harness) {
		other := &harness{T: h.T, work: h.work, service: newFakeService(), client: h.client, cfg: h.cfg}
		other.cfg.Ordinal = 1
		other.start()
		defer func() { other.stop() }()
		for i := range files {
			h.put(fmt.Sprintf("%04d.pdf", i), pdf(fmt.Sprint(i)))
		}
		h.pass(2 * time.Minute)
		if out, backup := len(h.visible("out")), len(h.visible("backup")); out != files || backup != files {
			t.Errorf("%d outputs and %d originals, want %d", out, backup, files)
		}
		if h.service.signed+other.service.signed != files {
			t.Errorf("%d and %d signatures, want %d", h.service.signed, other.service.signed, files)
		}
		h.has("in")
	})
}

// TestClockJump signs files whose times are in the future and in the past.
func TestClockJump(t *testing.T) {
	inBubble(t, nil, func(h *harness) {
		for i, at := range []time.Duration{-100 * 365 * 24 * time.Hour / 4, 100 * 24 * time.Hour} {
			name := fmt.Sprint(i)
			h.put(name, "text")
			chtimes(t, h.path("in", name), time.Now().Add(at))
		}
		h.pass(time.Minute)
		h.has("out", "0.p7m=signed text", "1.p7m=signed text")
	})
}
