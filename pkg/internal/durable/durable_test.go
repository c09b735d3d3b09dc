package durable_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWriteFileReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two, longer", ""} {
		if err := durable.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("ReadFile = %q, %v, want %q", got, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o640 {
		t.Errorf("mode = %o, want 640", got)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("folder holds %q, want the file alone", got)
	}
}

func TestWriteFileFailureLeavesOldContent(t *testing.T) {
	folder := t.TempDir()
	target := filepath.Join(folder, "taken")
	if err := os.MkdirAll(filepath.Join(target, "child"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(target, []byte("x"), 0o600); err == nil {
		t.Error("WriteFile over a folder = nil, want an error")
	}
	if got := names(t, folder); len(got) != 1 || got[0] != "taken" {
		t.Errorf("folder holds %q, want no temporary file", got)
	}
	if err := durable.WriteFile(filepath.Join(folder, "missing", "f"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("WriteFile in a missing folder = %v, want not exist", err)
	}
}

// TestWriteFileIsAtomic never shows a part of a file to readers while it is rewritten.
func TestWriteFileIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	contents := [][]byte{bytes.Repeat([]byte("a"), 100_000), bytes.Repeat([]byte("b"), 50_000)}
	if err := durable.WriteFile(path, contents[0], 0o600); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for _, c := range contents {
		writers.Go(func() {
			for range 30 {
				if err := durable.WriteFile(path, c, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Fatalf("read %d bytes that nobody wrote", len(got))
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestMkdirAll(t *testing.T) {
	folder := t.TempDir()
	deep := filepath.Join(folder, "a", "b", "c")
	for range 2 {
		if err := durable.MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(deep); err != nil || !info.IsDir() {
		t.Errorf("Stat = %v, %v, want a folder", info, err)
	}
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := durable.MkdirAll(path, 0o700); err == nil {
			t.Errorf("MkdirAll(%s) = nil, want an error", strings.TrimPrefix(path, folder))
		}
	}
}

func TestRenameAndRemove(t *testing.T) {
	folder := t.TempDir()
	from, to := filepath.Join(folder, "from", "x"), filepath.Join(folder, "to", "y")
	for _, path := range []string{from, filepath.Dir(to)} {
		if err := durable.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.WriteFile(filepath.Join(from, "f"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if err := durable.SyncFile(filepath.Join(to, "f")); err != nil {
		t.Error(err)
	}
	if err := durable.Rename(from, to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Rename of nothing = %v, want not exist", err)
	}
	for range 2 {
		if err := durable.RemoveAll(to); err != nil {
			t.Error(err)
		}
	}
	if got := names(t, filepath.Dir(to)); len(got) != 0 {
		t.Errorf("folder holds %q, want nothing", got)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := durable.AcquireLock(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.AcquireLock(t.Context(), path, 0); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second lock = %v, want ErrLocked", err)
	}
	if _, err := durable.AcquireLock(t.Context(), path, time.Millisecond); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second lock after waiting = %v, want ErrLocked", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := durable.AcquireLock(ctx, path, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("lock with an ended context = %v, want canceled", err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := durable.AcquireLock(context.WithoutCancel(t.Context()), path, time.Hour)
		if err == nil {
			err = second.Release()
		}
		got <- err
	}()
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("lock waited for = %v, want it once it was released", err)
	}
}
