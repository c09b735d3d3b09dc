package directory_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// mount mounts a small file system in memory at a folder. The test is skipped without the right to
// do it.
func mount(t *testing.T, folder, options string) {
	t.Helper()
	if err := unix.Mount("none", folder, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
}

// TestBackupOnOtherFileSystem copies originals where they cannot be renamed (EXDEV).
func TestBackupOnOtherFileSystem(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("backup"), "")
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	at := f.path("in/.signstash/0", run.ID, "claimed/a.pdf")
	original, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time after a crash that left the original
		if err := errors.Join(s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
			t.Fatal(err)
		}
		if got := f.Backup(t); len(got) != 1 || got[run.ID+"/a.pdf"] != "content of a.pdf" {
			t.Errorf("backup = %v", got)
		}
		write(t, at, string(original))
		if err := os.Chtimes(at, c.Modified, c.Modified); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullOutput reports a full output folder, and delivers when there is room again.
func TestFullOutput(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("out"), "size=128k")
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	write(t, f.path("out/filler"), strings.Repeat("x", 100<<10))
	signed := strings.Repeat("s", 60<<10)
	err := s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader(signed))
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Stage = %v, want ENOSPC", err)
	}
	if left, err := os.ReadDir(f.path("out/.signstash", run.ID)); err != nil || len(left) > 0 {
		t.Errorf("a part of the file takes the room that a consumer makes: %v, %v", left, err)
	}
	if err := os.Remove(f.path("out/filler")); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(append([]error{s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader(signed))},
		s.Deliver(t.Context(), run, []hotfolder.Claim{c})...)...)
	if got := f.Output(t); err != nil || len(got) != 1 || got[run.ID+"/a.pdf"] != signed {
		t.Errorf("output has %d files, %v", len(got), err)
	}
}

// TestReadOnlyOutput reports a read-only output folder.
func TestReadOnlyOutput(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("out"), "")
	s := f.Open(t, 0)
	c := claim(t, f, s, "a.pdf")
	if err := unix.Mount("", f.path("out"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	if err := s.Stage(t.Context(), c, 0, "a.pdf", strings.NewReader("signed")); !errors.Is(err, unix.EROFS) {
		t.Errorf("Stage = %v, want EROFS", err)
	}
	ok := true
	for _, finding := range s.Check(t.Context()) {
		ok = ok && (finding.OK || finding.Folder != "output")
	}
	if ok {
		t.Error("Check finds no fault")
	}
}

// TestUnmounted reports an input folder whose volume is gone, instead of taking the empty folder
// below it for the input folder.
func TestUnmounted(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("in"), "")
	s := f.Open(t, 0)
	f.Put(t, "a.pdf", "x")
	entry(t, s, "a.pdf")
	if err := unix.Unmount(f.path("in"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	var fault error
	for _, err := range s.List(t.Context()) {
		fault = err
	}
	if fault == nil || !strings.Contains(fault.Error(), "not mounted") {
		t.Errorf("List = %v, want an error that says that the volume is not mounted", fault)
	}
	if err := errors.Join(s.Claim(t.Context(), run, []hotfolder.Entry{{Name: "a.pdf"}})...); err == nil {
		t.Error("Claim succeeds")
	}
	if list, err := os.ReadDir(f.path("in")); err != nil || len(list) != 0 {
		t.Errorf("the folder below has %v, %v", list, err)
	}
}

// TestBusyFile leaves a file alone that the file system calls busy, and claims it later. A mount on
// the file makes it busy.
func TestBusyFile(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	f.Put(t, "a.pdf", "x")
	at := f.path("in/a.pdf")
	if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	e := entry(t, s, "a.pdf")
	err := s.Claim(t.Context(), run, []hotfolder.Entry{e})[0]
	if uerr := unix.Unmount(at, unix.MNT_DETACH); uerr != nil {
		t.Fatal(uerr)
	}
	if !errors.Is(err, hotfolder.ErrInUse) || !errors.Is(err, unix.EBUSY) {
		t.Errorf("Claim of a busy file = %v, want ErrInUse", err)
	}
	if err := errors.Join(s.Claim(t.Context(), run, []hotfolder.Entry{entry(t, s, "a.pdf")})...); err != nil {
		t.Errorf("Claim afterwards = %v", err)
	}
}

// TestReadOnlyInput refuses an input folder from which no file can be claimed.
func TestReadOnlyInput(t *testing.T) {
	f := newFolders(t, true)
	mount(t, f.path("in"), "")
	if err := unix.Mount("", f.path("in"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	if s, err := directory.Open(f.config(0)); !errors.Is(err, unix.EROFS) {
		if err == nil {
			_ = s.Close()
		}
		t.Errorf("Open = %v, want EROFS", err)
	}
}

// TestMountedAgain sees the arrivals in an input folder whose volume was mounted again.
func TestMountedAgain(t *testing.T) {
	f := newFolders(t, false)
	volume := t.TempDir()
	mount(t, volume, "")
	bind := func() {
		if err := unix.Mount(volume, f.path("in"), "", unix.MS_BIND, ""); err != nil {
			t.Skipf("mount: %v", err)
		}
	}
	other := t.TempDir()
	mount(t, other, "")
	bind()
	t.Cleanup(func() { _ = unix.Unmount(f.path("in"), unix.MNT_DETACH) })
	s := f.Open(t, 0)
	if err := unix.Unmount(f.path("in"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	volume = other // another inode, as after a new mount of a remote file system
	bind()
	if err := os.Mkdir(f.path("in/.signstash"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.Put(t, "a.pdf", "x")
	entry(t, s, "a.pdf") // the list that is made each minute
	f.Put(t, "b.pdf", "x")
	await(t, s, func() bool {
		e, err := s.Stat(t.Context(), "b.pdf")
		return err == nil && e.Arrival == hotfolder.ArrivalClosed
	})
}
