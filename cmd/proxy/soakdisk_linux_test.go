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

// fillDisk appends to a file until its file system is full, and reports whether it is full. It does
// nothing on a file system that mountSmall did not make. It appends small pieces, because tmpfs
// refuses the whole of a piece that is larger than the free space.
func fillDisk(f *os.File) (full bool) {
	var stat syscall.Statfs_t
	const tmpfs = 0x01021994
	err := syscall.Fstatfs(int(f.Fd()), &stat)
	if err != nil || stat.Type != tmpfs || int64(stat.Blocks)*stat.Bsize > maxSoakDisk {
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

// TestFillDisk checks that no file can be written after fillDisk.
func TestFillDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir, 20<<20); err != nil {
		t.Skip("no small file system could be mounted: ", err)
	}
	defer func() { _ = unmountSmall(dir) }()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !fillDisk(f) {
		t.Error("fillDisk = false, want the disk full")
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 1<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a write on the full disk: %v, want %v", err, syscall.ENOSPC)
	}
}
