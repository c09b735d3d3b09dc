package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

const (
	// reserveBytes is the size of the reserve file in bytes. It holds the values of four usual calls
	// in flight, with 100 digests each. While more or larger calls are in flight, the file is larger.
	reserveBytes = 4 << 20
	// valueRoom is how many bytes of the disk the end of a call takes at most for one document: a page
	// of the WAL, the same page in the database, and a line of the audit record.
	valueRoom = 9 << 10
)

// reserve is a file in the state folder that keeps room on the disk for the values of the calls in
// flight. No call begins unless the file is as large as these values need. When the disk has no
// other room for the values, the file is emptied. It is safe for concurrent use.
type reserve struct {
	path string

	mu    sync.Mutex
	size  int64            // of the file
	holds map[string]int64 // bytes for each call in flight, by call id
	held  int64            // sum of holds
}

func newReserve(folder string) *reserve {
	return &reserve{path: filepath.Join(folder, reserveName), holds: make(map[string]int64)}
}

// hold keeps room for the values of a call until free is called. It returns KindStorage if the disk
// has no room for them. Then the call must not begin.
func (r *reserve) hold(call string, documents int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	need := int64(documents) * valueRoom
	if err := r.grow(r.held + need); err != nil {
		return storageError("keep room for signature values", err)
	}
	if _, again := r.holds[call]; !again {
		r.holds[call] = need
		r.held += need
	}
	return nil
}

// free releases the room of a call. It does nothing for a call of an earlier process.
func (r *reserve) free(call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held -= r.holds[call]
	delete(r.holds, call)
	if want := roundUp(r.held); r.size > want && (r.held == 0 || r.size > 2*want) { // after a burst
		if os.Truncate(r.path, want) == nil {
			r.size = want
		}
	}
}

func roundUp(bytes int64) int64 { return max(1, (bytes+reserveBytes-1)/reserveBytes) * reserveBytes }

// grow makes the file large enough for need bytes. mu must be held. After an error the file is as
// large as before, because calls in flight depend on it.
func (r *reserve) grow(need int64) (err error) {
	want := roundUp(need)
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open reserve: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat reserve: %w", err)
	}
	size := info.Size()
	r.size = min(r.size, size) // somebody may have deleted the file
	if r.size >= want {
		return nil
	}
	if err := allocate(f, want); err != nil {
		return errors.Join(fmt.Errorf("allocate reserve: %w", err), f.Truncate(r.size))
	}
	r.size = want
	if size > want { // an earlier process had more calls in flight
		return f.Truncate(want)
	}
	return nil
}

// use empties the file, so that values can be stored, and reports whether that made room.
func (r *reserve) use() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size == 0 {
		return false
	}
	if err := os.Truncate(r.path, 0); err != nil {
		return false
	}
	r.size = 0
	return true
}

// zeros is written to a file on a file system that cannot allocate.
var zeros [64 << 10]byte

// fillWithZeros allocates space by writing.
func fillWithZeros(f *os.File, size int64) error {
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
