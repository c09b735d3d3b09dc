package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// write writes a file in a folder.
func write(t *testing.T, content string, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// list returns the names in a folder.
func list(t *testing.T, folder ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(folder...))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSecondProcessIsRefused(t *testing.T) {
	folder := t.TempDir()
	first := open(t, store.Config{Folder: folder})
	_, err := store.Open(t.Context(), store.Config{Folder: folder, LockWait: -1})
	if !errors.Is(err, durable.ErrLocked) || !strings.Contains(err.Error(), folder) {
		t.Errorf("second Open = %v, want ErrLocked naming %s", err, folder)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, store.Config{Folder: folder})
}

// TestOpenWaitsForTheLock waits until the old process has ended, as after a forced deletion of a
// pod.
func TestOpenWaitsForTheLock(t *testing.T) {
	folder := t.TempDir()
	first := open(t, store.Config{Folder: folder})
	got := make(chan error, 1)
	go func() {
		second, err := store.Open(t.Context(), store.Config{Folder: folder})
		if err == nil {
			err = second.Close()
		}
		got <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("Open while the folder was locked = %v, want it to wait", err)
	}
}

func TestFoldersThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, folder string)
		want    string
	}{
		"not ours": {
			func(t *testing.T, folder string) { write(t, "x", folder, "operations", "12") },
			"was not made by this program",
		},
		"another program's identity": {func(t *testing.T, folder string) {
			write(t, `{"name": "other"}`, folder, "instance.json")
		}, "was not made by this program"},
		"identity is not JSON": {
			func(t *testing.T, folder string) { write(t, "x", folder, "instance.json") },
			"was not made by this program",
		},
		"a later layout": {func(t *testing.T, folder string) {
			write(t, `{"layout": 2, "instance": "a"}`, folder, "instance.json")
		}, "layout version is 2"},
		"documents without metadata": {func(t *testing.T, folder string) {
			write(t, `{"layout": 1, "instance": "a"}`, folder, "instance.json")
			write(t, "x", folder, "operations", "1024")
		}, "metadata.db is missing"},
		"metadata is garbage": {func(t *testing.T, folder string) {
			write(t, `{"layout": 1, "instance": "a"}`, folder, "instance.json")
			write(t, strings.Repeat("garbage ", 1000), folder, "metadata.db")
		}, "not a database"},
		"a file": {func(t *testing.T, folder string) { write(t, "x", folder) }, "not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "state")
			c.prepare(t, folder)
			for _, recreate := range []bool{false, true} {
				known := strings.Contains(name, "metadata") // Recreate repairs these
				if recreate && known {
					continue
				}
				_, err := store.Open(t.Context(), store.Config{Folder: folder, Recreate: recreate, LockWait: -1})
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), folder) {
					t.Errorf("Open (recreate %v) = %v, want an error with %q and the folder", recreate, err, c.want)
				}
			}
		})
	}
}

func TestRefusedFolderIsNotTouched(t *testing.T) {
	folder := t.TempDir()
	write(t, "somebody's", folder, "operations", "1024")
	_, err := store.Open(t.Context(), store.Config{Folder: folder, Recreate: true, LockWait: -1})
	if err == nil {
		t.Fatal("Open = nil, want an error")
	}
	if got := list(t, folder, "operations"); len(got) != 1 {
		t.Errorf("operations holds %q, want the file that was there", got)
	}
}

func TestRecreate(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		folder := t.TempDir()
		write(t, "a key of somebody else's", folder, "token.key")
		s := open(t, store.Config{Folder: folder})
		op := create(t, s, "r", "a")
		instance := s.Instance()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		cfg := store.Config{Folder: folder, Recreate: true}
		if crashed { // an earlier start was killed while it threw the state away
			write(t, "", folder, "recreate")
			cfg.Recreate = false
		}
		s = open(t, cfg)
		if _, err := s.Operation(t.Context(), op.ID); signing.KindOf(err) != signing.KindNotFound {
			t.Errorf("Operation after Recreate = %v, want KindNotFound", err)
		}
		if s.Instance() == instance {
			t.Error("Instance after Recreate is the old one, want another")
		}
		if got := list(t, folder, "operations"); len(got) != 0 {
			t.Errorf("operations holds %q, want nothing", got)
		}
		if got := list(t, folder); strings.Contains(strings.Join(got, " "), "recreate") ||
			!strings.Contains(strings.Join(got, " "), "token.key") {
			t.Errorf("folder holds %q, want others' files, and no mark", got)
		}
		if again := create(t, s, "r", "a"); again.ID <= op.ID {
			t.Errorf("ID after Recreate = %d, want more than %d", again.ID, op.ID)
		}
	}
}

func TestIdentityIsKept(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	instance := s.Instance()
	if len(instance) != 32 {
		t.Errorf("Instance = %q, want 16 bytes in hex", instance)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, store.Config{Folder: folder}).Instance(); got != instance {
		t.Errorf("Instance after a restart = %s, want %s", got, instance)
	}
}

func TestOrphansAreRemoved(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	op := create(t, s, "r", "kept")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, "not committed", folder, "operations", (op.ID+1024*77).String()+".new")
	write(t, "not ours", folder, "operations", "README")
	write(t, "half", folder, "uploads", "0123")
	s = open(t, store.Config{Folder: folder})
	if got, want := strings.Join(list(t, folder, "operations"), " "), op.ID.String()+" README"; got != want {
		t.Errorf("operations holds %s, want %s", got, want)
	}
	if got := list(t, folder, "uploads"); len(got) != 0 {
		t.Errorf("uploads holds %q, want nothing", got)
	}
	readBack(t, s, op, "kept")
}

func TestOrdinal(t *testing.T) {
	folder := t.TempDir()
	var last signing.ID
	for _, ordinal := range []int{0, signing.MaxOrdinal, 3} { // a volume may come back under another ordinal
		s := open(t, store.Config{Folder: folder, Ordinal: ordinal})
		op := create(t, s, "r"+signing.ID(ordinal).String(), "a", "b")
		if op.ID.Ordinal() != ordinal || op.ID <= last {
			t.Errorf("ID = %d with ordinal %d, want more than %d with ordinal %d", op.ID, op.ID.Ordinal(), last, ordinal)
		}
		last = op.ID
		readBack(t, s, op, "a", "b")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, ordinal := range []int{-1, signing.MaxOrdinal + 1} {
		if _, err := store.Open(t.Context(), store.Config{Folder: folder, Ordinal: ordinal}); err == nil {
			t.Errorf("Open with ordinal %d = nil, want an error", ordinal)
		}
	}
}
