package directory_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// TestOutputUnmounted keeps a claim whose delivery has begun while the volume of the output folder
// is gone, and shows its result when the volume is back. The result is nowhere else.
func TestOutputUnmounted(t *testing.T) {
	f := newFolders(t, true)
	volume := t.TempDir()
	mount(t, volume, "nr_inodes=20")
	bind := func() {
		if err := unix.Mount(volume, f.path("out"), "", unix.MS_BIND, ""); err != nil {
			t.Skipf("mount: %v", err)
		}
	}
	bind()
	t.Cleanup(func() { _ = unix.Unmount(f.path("out"), unix.MNT_DETACH) })
	s := f.Open(t, 0)
	c, free := blocked(t, f, s)
	c.Delivered = true
	free()
	if err := unix.Unmount(f.path("out"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first call may make folders below the mount point
		if err := errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err == nil {
			t.Error("Deliver to the folder below the mount point succeeds")
		}
	}
	bind()
	if err := errors.Join(s.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err != nil {
		t.Error(err)
	}
	if got := f.Output(t); len(got) != 1 || got[run.ID+"/a.pdf"] != "signed" {
		t.Errorf("output = %v", got)
	}
}

// TestOutputRemoved delivers although our own folder in the output folder was removed, if nothing
// was lost with it: no delivery had begun, so the engine stages its results again.
func TestOutputRemoved(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	deliver := func(name string) {
		c := claim(t, f, s, name)
		err := s.Stage(t.Context(), c, 0, name, strings.NewReader("signed"))
		if err = errors.Join(append(s.Deliver(t.Context(), run, []hotfolder.Claim{c}), err)...); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
			t.Fatal(err)
		}
	}
	deliver("a.pdf")
	if err := os.RemoveAll(f.path("out/.signstash")); err != nil {
		t.Fatal(err)
	}
	deliver("b.pdf")
	if err := s.Release(t.Context(), run); err != nil {
		t.Error(err)
	}
	if got := f.Output(t); len(got) != 2 {
		t.Errorf("output = %v", got)
	}
	if left, err := os.ReadDir(f.path("out/.signstash")); err != nil || len(left) > 0 {
		t.Errorf("our own folder holds %v, %v after the end of the run", left, err)
	}
}
