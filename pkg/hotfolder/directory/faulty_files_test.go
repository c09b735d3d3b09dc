//go:build linux

package directory_test

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// asOthers calls f without the right of root to read all files.
func asOthers(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine, and its loss of rights too
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&header, &data[0])
		if err == nil {
			data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
			err = unix.Capset(&header, &data[0])
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skip(err)
	}
}

// TestUnreadable says that a file cannot be read, and claims it if it is asked to.
func TestUnreadable(t *testing.T) {
	f := newFolders(t, true)
	s := f.Open(t, 0)
	f.Put(t, "a.pdf", "x")
	if err := os.Chmod(f.path("in/a.pdf"), 0); err != nil {
		t.Fatal(err)
	}
	e := entry(t, s, "a.pdf")
	asOthers(t, func() {
		err := s.Claim(t.Context(), run, []hotfolder.Entry{e})[0]
		if !errors.Is(err, hotfolder.ErrUnreadable) || !errors.Is(err, unix.EACCES) {
			t.Errorf("Claim = %v, want ErrUnreadable", err)
		}
		if err != nil && (strings.Contains(err.Error(), "a.pdf") || hotfolder.FileName(err) != "a.pdf") {
			t.Errorf("Claim = %v of the file %q, want its name beside the text", err, hotfolder.FileName(err))
		}
		e.Unread = true
		if err := errors.Join(s.Claim(t.Context(), run, []hotfolder.Entry{e})...); err != nil {
			t.Errorf("Claim of an unread file = %v", err)
		}
		c := hotfolder.Claim{Run: run, Name: e.Name, Size: e.Size, Modified: e.Modified}
		if _, err := s.Open(t.Context(), c); !errors.Is(err, hotfolder.ErrUnreadable) {
			t.Errorf("Open = %v, want ErrUnreadable", err)
		}
		if err := errors.Join(s.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
			t.Errorf("Backup = %v", err)
		}
	})
}

// TestDeadMountPoint lists the other files of a folder with a mount point whose file system is
// gone.
func TestDeadMountPoint(t *testing.T) {
	bindfs, err := exec.LookPath("bindfs")
	if err != nil {
		t.Skip(err)
	}
	f := newFolders(t, true)
	s := f.Open(t, 0)
	dead := f.path("in/dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	f.Put(t, "a.pdf", "x")
	before := entry(t, s, "dead")
	process := exec.Command(bindfs, "-f", "--no-allow-other", "-o", "attr_timeout=0", t.TempDir(), dead)
	if err := process.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dead, unix.MNT_DETACH) })
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	for mounted := false; !mounted; {
		select {
		case err := <-ended:
			t.Skipf("bindfs: %v", err)
		default:
		}
		e, err := s.Stat(t.Context(), "dead")
		mounted = err == nil && e.Version != before.Version
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if e := entry(t, s, "dead"); e.Irregular != hotfolder.Unexamined {
		t.Errorf("dead is listed as %q, want %q", e.Irregular, hotfolder.Unexamined)
	}
	if e := entry(t, s, "a.pdf"); e.Irregular != "" {
		t.Errorf("a.pdf is listed as %q", e.Irregular)
	}
}
