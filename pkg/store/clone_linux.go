package store

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// cloneRange makes n bytes of a file at an offset share the blocks of another file.
func cloneRange(to *os.File, at int64, source syscall.Conn, from, n int64) error {
	conn, err := source.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = conn.Control(func(fd uintptr) {
		fault = unix.IoctlFileCloneRange(int(to.Fd()), &unix.FileCloneRange{
			Src_fd: int64(fd), Src_offset: uint64(from), Src_length: uint64(n), Dest_offset: uint64(at)})
	})
	return errors.Join(err, fault)
}
