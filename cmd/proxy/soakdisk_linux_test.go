package main_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mountSmall mounts an empty file system in memory of that size. It needs the rights of root.
func mountSmall(folder string, bytes int64) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	return syscall.Mount("soak", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes))
}

func unmountSmall(folder string) error { return syscall.Unmount(folder, syscall.MNT_DETACH) }

// takeRoom adds what is free to a file on a file system of mountSmall and says whether nothing was
// left then; anywhere else it does nothing. It asks piece by piece and keeps what it gets: of one
// request for more than there is tmpfs gives nothing.
func takeRoom(f *os.File) (full bool) {
	var stat syscall.Statfs_t
	const tmpfs = 0x01021994
	if err := syscall.Fstatfs(
		int(f.Fd()),
		&stat,
	); err != nil || stat.Type != tmpfs ||
		int64(stat.Blocks)*stat.Bsize > maxSoakDisk {
		return false
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false
	}
	for _, piece := range []int64{16 << 20, 4 << 10} {
		for ; ; end += piece {
			if err = syscall.Fallocate(int(f.Fd()), 0, end, piece); err != nil {
				break
			}
		}
	}
	return errors.Is(err, syscall.ENOSPC)
}

// TestTakeRoom: a full disk stays full.
func TestTakeRoom(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir, 20<<20); err != nil {
		t.Skip("NOT SHOWN: ", err)
	}
	defer func() { _ = unmountSmall(dir) }()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !takeRoom(f) {
		t.Error("takeRoom = false, want the disk full")
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 1<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write on the full disk: %v, want %v", err, syscall.ENOSPC)
	}
}
