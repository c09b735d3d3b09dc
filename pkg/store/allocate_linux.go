package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes a file size bytes long and reserves space on the disk for all of them.
func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS):
			return fillWithZeros(f, size)
		}
		return err
	}
}
