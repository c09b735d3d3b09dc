//go:build unix

package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// lockPoll is how often a lock is retried, because flock cannot wait with a deadline. A start that
// is a quarter of a second late does not matter.
const lockPoll = 250 * time.Millisecond

// Lock is an exclusive lock on a file. The kernel drops it when the process ends, however it ends.
type Lock struct{ file *os.File }

// AcquireLock locks the file at path and creates it if it is missing. Its content does not matter.
// While another process holds the lock, AcquireLock retries until wait has passed or ctx ends. It
// then returns ErrLocked or the error of ctx. The lock also excludes a second AcquireLock in this
// process. Between machines it does not work on every network file system.
func AcquireLock(ctx context.Context, path string, wait time.Duration) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := lock(ctx, f, syscall.LOCK_EX, wait); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{file: f}, nil
}

// ShareLock keeps others from acquiring the lock at path, for a process that only reads. It writes
// nothing, so it works on a read-only disk. It returns ErrLocked if the lock is held. If the file
// does not exist, it was never locked, and the returned lock is nil, which Release accepts.
func ShareLock(ctx context.Context, path string) (*Lock, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := lock(ctx, f, syscall.LOCK_SH, 0); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{file: f}, nil
}

func lock(ctx context.Context, f *os.File, how int, wait time.Duration) error {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	again := time.NewTicker(lockPoll)
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock file: %w", err)
		case wait <= 0:
			return ErrLocked
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return ErrLocked
		case <-again.C:
		}
	}
}

// Release gives the lock up. The file stays, because after its removal two processes could lock two
// files of the same name.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}
