package directory_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// mountFUSE mounts the folder at itself through FUSE, which stands for all file systems that need
// polling. The test is skipped without bindfs or without the right to mount.
func mountFUSE(t *testing.T, folder string) {
	t.Helper()
	bindfs, err := exec.LookPath("bindfs")
	if err != nil {
		t.Skip(err)
	}
	if out, err := exec.Command(bindfs, "--no-allow-other", folder, folder).CombinedOutput(); err != nil {
		t.Skipf("bindfs: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = unix.Unmount(folder, unix.MNT_DETACH) })
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil || int64(st.Type) != unix.FUSE_SUPER_MAGIC {
		t.Skipf("the file system is 0x%x, %v, want FUSE", st.Type, err)
	}
}

// TestFUSEIsPolled polls an input folder on FUSE, and says so in the log and in Check.
func TestFUSEIsPolled(t *testing.T) {
	f := newFolders(t, false)
	mountFUSE(t, f.path("in"))
	var log strings.Builder
	cfg := f.config(0)
	cfg.Log = funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})
	s, err := directory.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if s.Wake() != nil {
		t.Error("the folder is watched, want that it is polled")
	}
	if !strings.Contains(log.String(), "polled") || !strings.Contains(log.String(), `"fileSystem"="FUSE"`) {
		t.Errorf("log = %s, want that the folder is polled because of FUSE", log.String())
	}
	said := false
	for _, finding := range s.Check(t.Context()) {
		said = said || finding.Folder == "input" && finding.OK && finding.Detail == "FUSE; the folder is polled"
	}
	if !said {
		t.Errorf("Check = %v, want that the folder is polled", s.Check(t.Context()))
	}
	f.Put(t, "a.pdf", "x")
	if e := entry(t, s, "a.pdf"); e.Arrival != hotfolder.ArrivalUnknown {
		t.Errorf("Arrival = %v, want that it is unknown", e.Arrival)
	}
}

// TestFUSEStorage does everything on FUSE.
func TestFUSEStorage(t *testing.T) {
	probe := t.TempDir()
	mountFUSE(t, probe)
	storagetest.Run(t, func(t *testing.T) storagetest.Folders {
		f := newFolders(t, false)
		mountFUSE(t, f.work)
		return f
	})
}
