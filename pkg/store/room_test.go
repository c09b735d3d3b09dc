package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestSweepDoesNotHoldUploads refuses an upload at the limit at once while another goroutine
// removes operations. Before the limit is reached it wakes Run.
func TestSweepDoesNotHoldUploads(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	var ops []signing.Operation
	for i := range 6 {
		ops = append(ops, create(t, s, fmt.Sprint(i), strings.Repeat("x", size)))
		end(t, s, ops[i], time.Now().Add(-time.Hour))
	}
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 6 * size}})
	release := s.HoldSweep()
	_, err := s.NewUpload(t.Context())
	wantBusy(t, "NewUpload while operations are removed", err)
	release()
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatalf("NewUpload afterwards = %v, want room", err)
	}
	up.Discard()
	wantKept(t, s, ops, false, true, true, true, true, true) // a batch would take more, but no more is needed

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	up, err = s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Discard()
	for _, err = up.Add(strings.NewReader(strings.Repeat("x", size*8/10))); err == nil && s.Used() > 6*size*95/100; {
		runtime.Gosched() // nothing tells when a sweep has ended
		if up, err = s.NewUpload(t.Context()); err == nil {
			up.Discard()
		}
	}
	if err != nil {
		t.Errorf("NewUpload near the limit = %v, want room", err)
	}
}

// TestUploadsTogether shares the room that is left among all running uploads, even if each is
// small.
func TestUploadsTogether(t *testing.T) {
	const size = 1 << 20
	s := open(t, store.Config{Retention: store.Retention{MaxBytes: 4 * size}})
	var uploads []signing.Upload
	for range 6 { // while there is room for any of them
		up, err := s.NewUpload(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer up.Discard()
		uploads = append(uploads, up)
	}
	taken := 0
	for _, up := range uploads {
		if _, err := up.Add(strings.NewReader(strings.Repeat("x", size))); err == nil {
			taken++
		} else {
			wantBusy(t, "Add past the limit", err)
		}
	}
	if taken != 3 {
		t.Errorf("%d uploads of a quarter of what is allowed were taken, want 3 beside the metadata", taken)
	}
}

func TestUploadsAreRefusedAtTheLimit(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	content := strings.Repeat("x", size)
	first, second := create(t, s, "1", content), create(t, s, "2", content)
	third := create(t, s, "3", content)
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 3 * size}})
	wantBusy(t, "Check at the limit", s.Check(t.Context()))
	_, err := s.NewUpload(t.Context())
	wantBusy(t, "NewUpload with unfinished operations only", err)
	readBack(t, s, second, content) // reads continue
	end(t, s, third, time.Now())
	_, err = s.NewUpload(t.Context())
	wantBusy(t, "NewUpload with an operation that ended just now", err)
	end(t, s, first, time.Now().Add(-2*time.Minute))
	up, err := s.NewUpload(t.Context()) // which makes room by itself
	if err != nil {
		t.Fatalf("NewUpload once an operation has ended = %v, want room", err)
	}
	defer up.Discard()
	wantKept(t, s, []signing.Operation{first, second, third}, false, true, true)
	_, err = up.Add(bytes.NewReader(make([]byte, 40*size)))
	wantBusy(t, "Add past the limit", err)
}

func wantBusy(t *testing.T, what string, err error) {
	t.Helper()
	var e *signing.Error
	if !errors.As(err, &e) || e.Kind != signing.KindBusy || e.RetryAfter <= 0 {
		t.Errorf("%s = %v, want KindBusy with RetryAfter", what, err)
	}
}

func TestUploadsAreRefusedWithoutFreeSpace(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	op := create(t, s, "r", "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Folder: folder, MinFree: 1 << 60})
	_, err := s.NewUpload(t.Context())
	wantBusy(t, "NewUpload", err)
	wantBusy(t, "Check", s.Check(t.Context()))
	readBack(t, s, op, "a")
	end(t, s, op, time.Now()) // what was accepted can be finished
}

// TestRemoveOnReadOnlyDisk tells the owner to retry, and the operation still exists.
func TestRemoveOnReadOnlyDisk(t *testing.T) {
	s := open(t, store.Config{})
	op := create(t, s, "r", "x")
	end(t, s, op, time.Now())
	if err := s.ReadOnly(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	wantBusy(t, "read-only", s.Remove(t.Context(), op.ID))
	if err := s.ReadOnly(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	wantKept(t, s, []signing.Operation{op}, true)
	if err := s.Remove(t.Context(), op.ID); err != nil {
		t.Errorf("Remove on a disk that is well again = %v", err)
	}
}

// TestIntakeErrors returns KindBusy when the disk refuses to write, so that the client may retry.
// Other faults are KindStorage.
func TestIntakeErrors(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		wantBusy(t, err.Error(), store.IntakeError(&os.PathError{Op: "write", Err: err}))
	}
	if err := store.IntakeError(syscall.EBADF); signing.KindOf(err) != signing.KindStorage {
		t.Errorf("a fault of the program = %v, want KindStorage", err)
	}
}

// TestCheckReadOnly notices a read-only disk. Reads continue, and everything works when the disk is
// writable again.
func TestCheckReadOnly(t *testing.T) {
	s := open(t, store.Config{})
	op := create(t, s, "r", "a")
	for _, readOnly := range []bool{true, false} {
		if err := s.ReadOnly(t.Context(), readOnly); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context()); (err != nil) != readOnly || readOnly && signing.KindOf(err) != signing.KindStorage {
			t.Errorf("Check on a disk that is read-only (%v) = %v", readOnly, err)
		}
		readBack(t, s, op, "a")
	}
}
