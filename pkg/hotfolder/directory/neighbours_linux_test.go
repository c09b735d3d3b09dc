package directory_test

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// TestNeighbours refuses folders of a client service that are those of another one because of a
// symbolic link or a mount. Output and backup folders may be shared.
func TestNeighbours(t *testing.T) {
	f := newFolders(t, true)
	for _, name := range []string{"in2", "out2", "backup2", "mounted"} {
		if err := os.Mkdir(f.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"in": "linked", "out": "shared", "backup": "kept"} {
		if err := os.Symlink(from, f.path(to)); err != nil {
			t.Fatal(err)
		}
	}
	neighbours := new(directory.Neighbours)
	open := func(client, input, output, backup string) error {
		cfg := f.config(0)
		cfg.Client, cfg.Input, cfg.Output, cfg.Backup, cfg.Neighbours = client, input, output, backup, neighbours
		s, err := directory.Open(cfg)
		if err == nil {
			t.Cleanup(func() { _ = s.Close() })
		}
		return err
	}
	if err := open("first", "/in", "/out", "/backup"); err != nil {
		t.Fatal(err)
	}
	for _, folders := range [][3]string{
		{"/linked", "/out2", "/backup2"}, {"/in2", "/linked", "/backup2"}, {"/shared", "/out2", "/backup2"},
	} {
		err := open("second", folders[0], folders[1], folders[2])
		if err == nil || !strings.Contains(err.Error(), "client service first") {
			t.Errorf("Open of %v = %v, want an error that names the other client service", folders, err)
		}
	}
	if err := unix.Mount(f.path("in"), f.path("mounted"), "", unix.MS_BIND, ""); err == nil {
		t.Cleanup(func() { _ = unix.Unmount(f.path("mounted"), unix.MNT_DETACH) })
		if err := open("second", "/in2", "/mounted", "/backup2"); err == nil {
			t.Error("a mounted folder of another client service is opened")
		}
	}
	if err := open("second", "/in2", "/shared", "/kept"); err != nil {
		t.Errorf("Open of a shared output and a shared backup folder = %v", err)
	}
}

// TestNeighbourGone opens a folder when its other user has closed it.
func TestNeighbourGone(t *testing.T) {
	f := newFolders(t, true)
	cfg := f.config(0)
	cfg.Neighbours = new(directory.Neighbours)
	for range 2 {
		s, err := directory.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
