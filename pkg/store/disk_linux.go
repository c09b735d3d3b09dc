package store

import "golang.org/x/sys/unix"

// freeBytes is the free space of path's file system in bytes for a process without privileges.
func freeBytes(path string) (int64, error) {
	fs, err := statfs(path)
	return int64(fs.Bavail) * fs.Bsize, err
}

// diskBytes is the size of path's file system.
func diskBytes(path string) (int64, error) {
	fs, err := statfs(path)
	return int64(fs.Blocks) * fs.Bsize, err
}

func statfs(path string) (fs unix.Statfs_t, err error) {
	for {
		if err = unix.Statfs(path, &fs); err != unix.EINTR {
			return fs, err
		}
	}
}
