package store

import "golang.org/x/sys/unix"

// freeBytes is the free space of path's file system for a process without privileges.
func freeBytes(path string) (int64, error) {
	var fs unix.Statfs_t
	for {
		err := unix.Statfs(path, &fs)
		if err == unix.EINTR {
			continue
		}
		return int64(fs.Bavail) * fs.Bsize, err
	}
}
