//go:build linux

package hotfolder_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// configure puts other client services in force.
func (h *harness) configure(list ...clientservice.ClientService) {
	h.Helper()
	services, err := clientservice.NewServices(list...)
	if err != nil {
		h.Fatal(err)
	}
	h.services.Store(services)
}

// TestOutputFolderChanged delivers a result to the output folder that was configured when its
// delivery began, if the configuration changes while the delivery is blocked. Other files are
// delivered to the new folder meanwhile.
func TestOutputFolderChanged(t *testing.T) {
	var out string
	inBubble(t, func(h *harness) {
		out = h.path("out")
		// Eight inodes: the root, .signstash, the run and its files, and the fillers.
		if err := unix.Mount("none", out, "tmpfs", 0, "nr_inodes=8"); err != nil {
			t.Skipf("mount: %v", err)
		}
		if err := os.Mkdir(h.path("out2"), 0o750); err != nil {
			t.Fatal(err)
		}
		once := new(sync.Once)
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage { return filling{s, out, once} }
	}, func(h *harness) {
		defer func() { _ = unix.Unmount(out, unix.MNT_DETACH) }()
		h.put("a.pdf", pdf("1"))
		h.pass(time.Minute)
		h.has("out", fillers(t, out)...)
		h.client.OutputFolder = "/out2"
		h.configure(h.client)
		h.put("b.pdf", pdf("2"))
		h.pass(2 * time.Minute)
		h.has("out2", "b.pdf=signed "+pdf("2"))
		h.has("backup", "b.pdf="+pdf("2"))

		away := h.path("away") // the former folder is gone for some time
		if err := os.Mkdir(away, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(out, away, "", unix.MS_MOVE, ""); err != nil {
			t.Skipf("move mount: %v", err)
		}
		h.pass(time.Minute)
		h.has("backup", "b.pdf="+pdf("2"))
		if err := unix.Mount(away, out, "", unix.MS_MOVE, ""); err != nil {
			t.Fatal(err)
		}
		for _, name := range fillerFiles(t, out) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		h.pass(time.Minute)
		h.has("out", "a.pdf=signed "+pdf("1"))
		h.has("out2", "b.pdf=signed "+pdf("2"))
		h.has("backup", "a.pdf="+pdf("1"), "b.pdf="+pdf("2"))
		h.hasNoRuns()
		if left, err := filepath.Glob(filepath.Join(out, ".signstash/*")); err != nil || len(left) > 0 {
			t.Errorf("left in the former output folder: %v, %v", left, err)
		}
	})
}

// filling is a Storage whose output folder has no room for the sub-folder of a run when the first
// delivery begins.
type filling struct {
	hotfolder.Storage
	out  string
	once *sync.Once
}

func (f filling) Deliver(ctx context.Context, run hotfolder.Run, claims []hotfolder.Claim) []error {
	f.once.Do(func() {
		last := ""
		for i := range 8 {
			name := filepath.Join(f.out, fmt.Sprintf("filler%d", i))
			if os.WriteFile(name, nil, 0o600) == nil {
				last = name
			}
		}
		_ = os.Remove(last) // room for a file of our own, without which no delivery begins
	})
	return f.Storage.Deliver(ctx, run, claims)
}

func fillerFiles(t *testing.T, out string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(out, "filler*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// fillers returns these files in the form that harness.has takes.
func fillers(t *testing.T, out string) (list []string) {
	for _, path := range fillerFiles(t, out) {
		list = append(list, filepath.Base(path)+"=")
	}
	return list
}

// hanging is a Storage whose file system does not answer.
type hanging struct {
	hotfolder.Storage
	until chan struct{}
}

func (h hanging) Renew(ctx context.Context) error {
	<-h.until
	return h.Storage.Renew(ctx)
}

// TestHungFolder starts new client services although the folder of a former one hangs, and ends
// although it still does.
func TestHungFolder(t *testing.T) {
	until := make(chan struct{})
	answer := sync.OnceFunc(func() { close(until) })
	inBubble(t, func(h *harness) {
		for _, name := range []string{"in2", "out2", "backup2"} {
			if err := os.Mkdir(h.path(name), 0o750); err != nil {
				t.Fatal(err)
			}
		}
		until = make(chan struct{}) // of the bubble
		first := true
		h.wrap = func(s hotfolder.Storage) hotfolder.Storage {
			if !first {
				return s
			}
			first = false
			return hanging{s, until}
		}
	}, func(h *harness) {
		defer answer()
		h.pass(time.Minute)
		other := h.client
		other.ID, other.InputFolder, other.OutputFolder, other.BackupFolder = "other", "/in2", "/out2", "/backup2"
		h.configure(other)
		if err := os.WriteFile(h.path("in2/a.pdf"), []byte(pdf("1")), 0o600); err != nil {
			t.Fatal(err)
		}
		h.pass(time.Minute)
		h.has("out2", "a.pdf=signed "+pdf("1"))
		h.configure(h.client, other) // the first one comes back when its folders have stopped
		h.put("b.pdf", pdf("2"))
		h.pass(time.Minute)
		h.has("out")
		answer()
		h.pass(time.Minute)
		h.has("out", "b.pdf=signed "+pdf("2"))
		synctest.Wait()
	})
}
