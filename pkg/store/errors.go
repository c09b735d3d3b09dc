package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// storageError is a fault of our own disk: the domain's error around err, worth another try. Errors
// that say themselves what they are, and those of a context, are returned as they are.
func storageError(what string, err error) error {
	var e *signing.Error
	if err == nil || errors.As(err, &e) || errors.Is(err, signing.ErrConflict) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	out := signing.Errorf(signing.KindStorage, "storage failed").Because(fmt.Errorf("%s: %w", what, err))
	if isFull(err) {
		return out.Retryable(busyRetry)
	}
	return out.Retryable(0)
}

// intakeError is storageError for what clients ask to be written: a disk that is full, read-only or
// broken is KindBusy, since nothing was accepted yet and the client may try again, perhaps at
// another instance.
func intakeError(what string, err error) error {
	detail := "storage takes no writes"
	switch {
	case isFull(err):
		detail = "storage is full"
	case errors.Is(err, fs.ErrNotExist): // the state folder was deleted, or its volume is not mounted any more
		detail = errGone
	case !isReadOnly(err) && !errors.Is(err, syscall.EIO):
		return storageError(what, err)
	}
	return signing.Errorf(signing.KindBusy, "%s", detail).Because(fmt.Errorf("%s: %w", what, err)).Retryable(busyRetry)
}

// errGone is what clients are told when the state folder is missing.
const errGone = "storage is not there"

// isReadOnly reports whether the disk has been mounted read-only, as many are after a fault.
func isReadOnly(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_READONLY {
		return true
	}
	return errors.Is(err, syscall.EROFS)
}

// isFull reports whether space or quota ran out.
func isFull(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_FULL {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
