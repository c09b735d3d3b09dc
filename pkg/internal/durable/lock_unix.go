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

// ErrLocked says that another process holds a lock.
var ErrLocked = errors.New("locked by another process")

// lockPoll is how often a lock that is waited for is tried again: flock cannot be waited for with a
// deadline, and a start that is a quarter of a second late does not matter.
const lockPoll = 250 * time.Millisecond

// Lock is an exclusive lock on a file. The kernel drops it when the process ends, however it ends.
type Lock struct{ file *os.File }

// AcquireLock locks the file at path, creating it where needed (its content is nobody's business).
// While another process holds it, it tries again until wait has passed or ctx ends, then returns
// ErrLocked or the error of ctx. The lock also excludes a second AcquireLock in this process. It
// does not work between machines on every network file system.
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

// ShareLock keeps AcquireLock of path out without writing anything, for who reads only: on a
// read-only disk too. ErrLocked if somebody has acquired it. A file that is not there was never
// locked: its lock is nil, which Release takes.
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

// Release gives the lock up. The file stays: removing it would let two processes lock two files of
// one name.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}
