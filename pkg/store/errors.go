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

// storageError wraps a fault of our own disk as a retryable KindStorage. Errors that have a kind
// already, ErrConflict and errors of a context are returned unchanged.
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

// intakeError is storageError for writes that bring in new documents. If the disk is full,
// read-only, broken or gone it returns KindBusy, because nothing was accepted yet and the client
// may retry, perhaps at another instance.
func intakeError(what string, err error) error {
	detail := "storage does not accept writes"
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

// errGone is the error for clients when the state folder is missing.
const errGone = "storage is missing"

// isReadOnly reports whether the disk is mounted read-only, as Linux does after a fault of the
// disk.
func isReadOnly(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_READONLY {
		return true
	}
	return errors.Is(err, syscall.EROFS)
}

// isFull reports whether space or quota is used up.
func isFull(err error) bool {
	var s *sqlite.Error
	if errors.As(err, &s) && s.Code()&0xff == sqlite3.SQLITE_FULL {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
