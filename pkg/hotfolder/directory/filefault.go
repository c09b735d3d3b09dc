//go:build linux

package directory

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// inUse adds ErrInUse to the errors with which file systems say that somebody uses a file.
func inUse(err error) error {
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ETXTBSY) || errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("%w: %w", hotfolder.ErrInUse, err)
	}
	return err
}

// isUnreadable reports whether an error says that one file cannot be read: we have no right to, or
// the disk has lost it. EUCLEAN and EBADMSG are what file systems say of damaged blocks.
func isUnreadable(err error) bool {
	for _, cause := range []error{unix.EACCES, unix.EPERM, unix.EIO, unix.EUCLEAN, unix.EBADMSG} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// isUnexamined reports whether an error says that one file cannot be examined. ENOTCONN and ESTALE
// come from a mount point in the folder whose file system is gone.
func isUnexamined(err error) bool {
	return isUnreadable(err) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ESTALE)
}

// unreadable adds ErrUnreadable to such an error.
func unreadable(err error) error {
	if isUnreadable(err) {
		return fmt.Errorf("%w: %w", hotfolder.ErrUnreadable, err)
	}
	return err
}

// original reads a claimed file. Its errors are told apart from those of the file that it is copied
// to.
type original struct{ io.Reader }

func (o original) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	return n, unreadable(err)
}
