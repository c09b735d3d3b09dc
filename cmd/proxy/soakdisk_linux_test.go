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

// mountSmall mounts an empty tmpfs of that size. It needs root rights.
func mountSmall(folder string, bytes int64) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	return syscall.Mount("soak", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes))
}

func unmountSmall(folder string) error { return syscall.Unmount(folder, syscall.MNT_DETACH) }

// takeRoom appends to a file until the file system of mountSmall is full, and reports whether it is
// full. On other file systems it does nothing. It asks for small pieces, because tmpfs grants
// nothing of a request that is larger than the free space.
func takeRoom(f *os.File) (full bool) {
	var stat syscall.Statfs_t
	const tmpfs = 0x01021994
	if err := syscall.Fstatfs(int(f.Fd()), &stat); err != nil || stat.Type != tmpfs ||
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

// TestTakeRoom checks that a full disk stays full.
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
