//go:build linux

package directory

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writing reports whether it can be seen that somebody has a file open for writing. Linux grants a
// read lease only if nobody has (fcntl(2), F_SETLEASE). The lease is given back at once. It can be
// had only by the owner of the file, and not on every file system. Otherwise writing returns false.
func (c claims) writing(f *os.File) bool {
	p := c.places
	if f == nil { // it cannot be opened
		return false
	}
	p.leases.Do(func() {
		kind, err := p.fileSystem(p.cfg.Input)
		p.noLeases = err != nil || kind.remote
	})
	if p.noLeases {
		return false
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		return false
	}
	return errors.Is(err, unix.EAGAIN)
}
