package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestReserve really takes the room for signature values on the disk, grows with the calls in
// flight, and gives the room back after them.
func TestReserve(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "reserve")
	s := open(t, store.Config{Folder: folder})
	want := func(when string, size int64) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil || info.Size() != size || allocated(t, path) < size {
			t.Errorf("reserve %s has %d bytes, %d on the disk, %v, want %d", when, info.Size(), allocated(t, path), err, size)
		}
	}
	const usual = 4 << 20
	want("at first", usual)
	for _, call := range []string{"a", "a", "b"} { // one is repeated
		if err := s.HoldRoom(call, 400); err != nil {
			t.Fatal(err)
		}
	}
	want("of two calls", 2*usual)
	if err := s.HoldRoom("c", 3000); err != nil {
		t.Fatal(err)
	}
	want("of a large call", 9*usual)
	for _, call := range []string{"c", "a", "b", "unknown"} {
		s.FreeRoom(call)
	}
	want("after them", usual)
	if !s.UseReserve() || s.UseReserve() {
		t.Error("UseReserve = false, then true, want the room given once")
	}
	if err := s.HoldRoom("d", 1); err != nil {
		t.Fatal(err)
	}
	want("of the next call", usual)
	open(t, store.Config{Folder: folderOf(t, s, folder)})
	want("after a restart", usual)
}

// TestReserveIsMadeAgain: a reserve file that somebody deleted is made again before the next call,
// and one that an earlier process made large is cut.
func TestReserveIsMadeAgain(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "reserve")
	s := open(t, store.Config{Folder: folder})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.HoldRoom("a", 1); err != nil {
		t.Fatal(err)
	}
	const usual = 4 << 20
	if info, err := os.Stat(path); err != nil || info.Size() != usual || allocated(t, path) < usual {
		t.Errorf("reserve after it was deleted = %v, %v, want %d bytes", info, err, usual)
	}
	folderOf(t, s, folder)
	if err := os.Truncate(path, 9*usual); err != nil {
		t.Fatal(err)
	}
	open(t, store.Config{Folder: folder})
	if info, err := os.Stat(path); err != nil || info.Size() != usual {
		t.Errorf("reserve of an earlier process with more calls = %v, %v, want %d bytes", info, err, usual)
	}
}

// folderOf closes a store and returns its folder.
func folderOf(t *testing.T, s *store.Store, folder string) string {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return folder
}
