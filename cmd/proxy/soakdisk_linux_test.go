package main_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// mountSmall mounts an empty file system in memory of that size. It needs the rights of root.
func mountSmall(folder string, bytes int64) error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	return syscall.Mount("soak", folder, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes))
}

func unmountSmall(folder string) error { return syscall.Unmount(folder, syscall.MNT_DETACH) }

// takeRoom makes a file of all that is free on a file system of mountSmall; anywhere else it does nothing.
func takeRoom(path string) bool {
	f, err := os.Create(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	var stat syscall.Statfs_t
	const tmpfs = 0x01021994
	if err := syscall.Fstatfs(int(f.Fd()), &stat); err != nil || stat.Type != tmpfs || int64(stat.Blocks)*stat.Bsize > soakDisk {
		return false
	}
	return syscall.Fallocate(int(f.Fd()), 0, 0, int64(stat.Bavail)*stat.Bsize) == nil
}
