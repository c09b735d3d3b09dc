//go:build linux

package hotfolder_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// unread is a Storage with files that nobody may read.
type unread struct {
	hotfolder.Storage
	*fault
}

func (u unread) forbidden(name string) error {
	if err := u.get(); err != nil && strings.HasPrefix(name, "secret") {
		return fmt.Errorf("%w: %w", hotfolder.ErrUnreadable, err)
	}
	return nil
}

func (u unread) Claim(ctx context.Context, run hotfolder.Run, files []hotfolder.Entry) []error {
	return refusing{u.Storage, func(name string) error {
		if slices.ContainsFunc(files, func(e hotfolder.Entry) bool { return e.Name == name && e.Unread }) {
			return nil
		}
		return u.forbidden(name)
	}}.Claim(ctx, run, files)
}

func (u unread) Open(ctx context.Context, c hotfolder.Claim) (hotfolder.File, error) {
	if err := u.forbidden(c.Name); err != nil {
		return nil, err
	}
	return u.Storage.Open(ctx, c)
}

// TestUnreadableFile waits for the right to read a file, and then fails the file by name. The other
// files are signed, and the folder counts as usable all the time.
func TestUnreadableFile(t *testing.T) {
	forbidden := &fault{err: unix.EACCES}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return unread{s, forbidden} }
	}, func(h *harness) {
		h.put("secret.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		for range 9 {
			h.pass(time.Minute)
			if got := h.metric("folder_usable", ""); got != 1 {
				t.Fatalf("folder_usable = %v, want 1", got)
			}
		}
		h.has("out", "b.pdf=signed "+pdf("2"))
		if got := h.metric("unreadable_files", ""); got != 1 {
			t.Errorf("%v unreadable files, want 1", got)
		}
		h.pass(3 * time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"), "secret.pdf.txt=invalid: the proxy has no right to read the file\n")
		h.has("in")
		h.hasNoRuns()
		if got := h.metric("unreadable_files", ""); got != 0 {
			t.Errorf("%v unreadable files, want 0", got)
		}
	})
}

// TestReadableInTime signs a file that can be read before its time is over, also if its sidecar
// could not be read either.
func TestReadableInTime(t *testing.T) {
	forbidden := &fault{err: unix.EACCES}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return unread{s, forbidden} }
	}, func(h *harness) {
		h.put("secret.txt.sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
		h.put("secret.txt", "1")
		h.pass(5 * time.Minute)
		h.has("out")
		forbidden.set(nil)
		h.pass(time.Minute)
		h.has("out", "secret.txt.p7s=signed 1")
	})
}

// TestUnreadableSidecar fails a file whose settings cannot be read.
func TestUnreadableSidecar(t *testing.T) {
	forbidden := &fault{err: unix.EACCES}
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage {
			return unread{s, forbidden}
		}
	}, func(h *harness) {
		h.put("secret", "1")
		h.put("secret.sign.json", `{}`)
		h.pass(30 * time.Minute)
		h.has("out", "secret.txt=invalid: the proxy has no right to read the file\n")
		h.has("in")
		h.hasNoRuns()
	})
}

// broken is a Storage on a disk that cannot read some files any more.
type broken struct{ hotfolder.Storage }

func (b broken) Open(ctx context.Context, c hotfolder.Claim) (hotfolder.File, error) {
	f, err := b.Storage.Open(ctx, c)
	if err == nil && strings.HasPrefix(c.Name, "broken") {
		f = brokenFile{f}
	}
	return f, err
}

type brokenFile struct{ hotfolder.File }

func (brokenFile) ReadAt([]byte, int64) (int, error) {
	return 0, fmt.Errorf("%w: %w", hotfolder.ErrUnreadable, unix.EIO)
}

// TestBrokenFile signs the other files of a run with a file that the disk cannot read (EIO), and
// fails this file by name.
func TestBrokenFile(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.cfg.MaxRuns = 1
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return broken{s} }
	}, func(h *harness) {
		h.put("broken.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		h.pass(time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"))
		h.put("c.pdf", pdf("3"))
		h.pass(time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"), "c.pdf=signed "+pdf("3"))
		h.pass(12 * time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"), "c.pdf=signed "+pdf("3"),
			"broken.pdf.txt=damaged: the file cannot be read: its file system reports an error\n")
		h.has("in")
		h.hasNoRuns()
	})
}

// stuck is a Storage that cannot move some files to the backup folder.
type stuck struct {
	hotfolder.Storage
	*fault
}

func (s stuck) Backup(ctx context.Context, run hotfolder.Run, files []hotfolder.BackupFile) []error {
	errs := make([]error, len(files))
	for i, f := range files {
		if strings.HasPrefix(f.Name, "stuck") {
			errs[i] = s.get()
		}
		if errs[i] == nil {
			if list := s.Storage.Backup(ctx, run, files[i:i+1]); list != nil {
				errs[i] = list[0]
			}
		}
	}
	return errs
}

// TestStalledRuns does not let runs that cannot end block the others. Too many of them stop new
// claims.
func TestStalledRuns(t *testing.T) {
	cannot := &fault{err: fmt.Errorf("%w: %w", hotfolder.ErrUnreadable, unix.EIO)}
	inBubble(t, func(h *harness) {
		h.cfg.MaxRuns, h.cfg.MaxFiles = 2, 1
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return stuck{s, cannot} }
	}, func(h *harness) {
		for i := range 5 {
			h.put(fmt.Sprintf("stuck%d", i), "x")
		}
		h.pass(time.Minute)
		h.put("b.pdf", pdf("2"))
		h.pass(time.Minute)
		if out := h.visible("out"); out["b.pdf"] != "signed "+pdf("2") {
			t.Errorf("output = %q, want b.pdf", out)
		}
		if got := h.metric("blocked_total", "output"); got != 0 {
			t.Errorf("%v times nothing was claimed because of the output folder, want 0", got)
		}
		for i := range 20 {
			h.put(fmt.Sprintf("stuck%d", 10+i), "x")
		}
		h.pass(5 * time.Minute)
		if n := int(h.metric("runs_in_flight", "")); n < 16 || n > 18 {
			t.Errorf("%d runs are begun, want 16, and 2 more at most", n)
		}
		cannot.set(nil)
		h.pass(10 * time.Minute)
		if in := h.visible("in"); len(in) > 0 {
			t.Errorf("%d files are left", len(in))
		}
		h.hasNoRuns()
	})
}

// vague is a Storage that cannot examine one file.
type vague struct{ hotfolder.Storage }

func (v vague) List(ctx context.Context) iter.Seq2[hotfolder.Entry, error] {
	return func(yield func(hotfolder.Entry, error) bool) {
		for e, err := range v.Storage.List(ctx) {
			if e.Name == "a.pdf" {
				e = hotfolder.Entry{Name: e.Name, Irregular: hotfolder.Unexamined}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestUnexaminedFile counts a file that the file system cannot describe, and signs the others.
func TestUnexaminedFile(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return vague{s} }
	}, func(h *harness) {
		h.put("a.pdf", pdf("1"))
		h.put("b.pdf", pdf("2"))
		h.pass(time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"))
		if n, m := h.metric("unreadable_files", ""), h.metric("irregular_files", ""); n != 1 || m != 0 {
			t.Errorf("%v unreadable and %v irregular files, want 1 and 0", n, m)
		}
	})
}

// TestCrashBeforeSidecar fails a file that was claimed by a process that died before it had claimed
// its sidecar, if another instance has taken the sidecar away meanwhile. It is not signed with the
// settings of the client service.
func TestCrashBeforeSidecar(t *testing.T) {
	for _, taken := range []bool{true, false} {
		d := &death{at: 3, before: true} // the note, the file, the sidecar
		inBubble(t, func(h *harness) {
			h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return dying{s, d} }
		}, func(h *harness) {
			h.put("a.txt.sign.json", `{"signatureInfo": {"packaging": "DETACHED"}}`)
			h.put("a.txt", "a")
			h.pass(20 * time.Second)
			h.stop()
			if list := h.visible("in"); len(list) != 1 {
				t.Fatalf("input = %q, want the sidecar", list)
			}
			if taken {
				if err := os.Remove(h.path("in/a.txt.sign.json")); err != nil {
					t.Fatal(err)
				}
			}
			h.wrap = nil
			h.start()
			h.pass(time.Minute)
			if want := "a.txt.p7s=signed a"; taken {
				h.has("out", goneText)
			} else {
				h.has("out", want)
			}
			h.hasNoRuns()
		})
	}
}

// TestSidecarsOfOthers claims no sidecar of a file that another instance was faster to claim.
func TestSidecarsOfOthers(t *testing.T) {
	inBubble(t, func(h *harness) {
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage {
			return refusing{s, func(name string) error {
				if name == "a.txt" {
					return hotfolder.ErrGone
				}
				return nil
			}}
		}
	}, func(h *harness) {
		h.put("a.txt.sign.json", `{}`)
		h.put("a.txt", "a")
		h.put("b.txt.sign.json", `{}`)
		h.put("b.txt", "b")
		h.pass(time.Minute)
		h.has("out", "b.txt.p7m=signed b")
		h.has("in", "a.txt=a", "a.txt.sign.json={}")
	})
}
