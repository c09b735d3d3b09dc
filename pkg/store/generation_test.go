package store_test

import (
	"database/sql"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// copyFolder copies a state folder as it is now. If its store is open and idle, the copy is what
// kill -9 leaves.
func copyFolder(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// replace overwrites a file with a copy of another.
func replace(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, string(content), to)
}

func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

// TestLostDatabaseIsRefused does not open a folder that was in use and whose database has lost
// something in any way, and leaves it unchanged. Each folder was copied from a running store.
func TestLostDatabaseIsRefused(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	create(t, s, "first", "a")
	if err := s.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	earlier := copyFolder(t, folder)
	for range 3 { // so that the file of the database is newer as well
		create(t, s, "r"+t.Name()+string(rune('a'+len(list(t, folder, "operations")))), "b")
		if err := s.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s, "last", "c")

	for name, test := range map[string]struct {
		lose func(t *testing.T, folder string)
		want string
	}{
		"missing": {func(t *testing.T, folder string) {
			remove(t, folder, "metadata.db")
			remove(t, folder, "metadata.db-wal")
		}, "metadata.db is missing"},
		"empty": {func(t *testing.T, folder string) { write(t, "", folder, "metadata.db") }, "metadata.db is empty"},
		"empty, and no documents": {func(t *testing.T, folder string) {
			write(t, "", folder, "metadata.db")
			if err := os.RemoveAll(filepath.Join(folder, "operations")); err != nil {
				t.Fatal(err)
			}
		}, "metadata.db is empty"},
		"no tables": {func(t *testing.T, folder string) {
			remove(t, folder, "metadata.db")
			remove(t, folder, "metadata.db-wal")
			alter(t, folder, "VACUUM; PRAGMA application_id = 7")
		}, "metadata.db has no tables"},
		"no instance row": {
			func(t *testing.T, folder string) { alter(t, folder, "DELETE FROM instance") },
			"has no instance row",
		},
		"no instance table": {
			func(t *testing.T, folder string) { alter(t, folder, "DROP TABLE instance") },
			"has no instance table",
		},
		"no WAL": {
			func(t *testing.T, folder string) { remove(t, folder, "metadata.db-wal") },
			"is older than what instance.json has seen",
		},
		"an empty WAL": {
			func(t *testing.T, folder string) { write(t, "", folder, "metadata.db-wal") },
			"is older than what instance.json has seen",
		},
		"a WAL of zeros": {func(t *testing.T, folder string) {
			write(t, strings.Repeat("\x00", 100_000), folder, "metadata.db-wal")
		}, "is older than what instance.json has seen"},
		"an older database": {func(t *testing.T, folder string) {
			replace(t, filepath.Join(earlier, "metadata.db"), filepath.Join(folder, "metadata.db"))
			remove(t, folder, "metadata.db-wal")
		}, "is older than what instance.json has seen"},
		"an older database with its WAL": {func(t *testing.T, folder string) {
			for _, name := range []string{"metadata.db", "metadata.db-wal"} {
				replace(t, filepath.Join(earlier, name), filepath.Join(folder, name))
			}
		}, "is older than what instance.json has seen"},
		"an older database with the WAL of today": {func(t *testing.T, folder string) {
			replace(t, filepath.Join(earlier, "metadata.db"), filepath.Join(folder, "metadata.db"))
		}, "is older than what instance.json has seen"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := copyFolder(t, folder)
			test.lose(t, folder)
			before := digests(t, folder)
			for range 2 {
				_, err := store.Open(t.Context(), store.Config{Folder: folder, LockWait: -1})
				if err == nil || !strings.Contains(err.Error(), test.want) ||
					!strings.Contains(err.Error(), "--force.database.recreate") {
					t.Fatalf("Open = %v, want an error with %q and what to do", err, test.want)
				}
				if _, err := store.Check(t.Context(), folder); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Check = %v, want an error with %q", err, test.want)
				}
			}
			after := digests(t, folder)
			for path := range before {
				if strings.HasSuffix(path, "metadata.db-shm") {
					continue // it holds nothing but an index of the WAL
				}
				if before[path] != after[path] {
					t.Errorf("a refused start has changed %s", filepath.Base(path))
				}
				if _, ok := after[path]; !ok {
					t.Errorf("a refused start has removed %s", filepath.Base(path))
				}
			}
			open(t, store.Config{Folder: folder, Recreate: true})
		})
	}
}

// TestKilledFolderOpens opens what a kill leaves, with everything in it. It also opens it after
// another program has opened the database, which copies the WAL and removes it, and it opens a
// backup of the whole folder.
func TestKilledFolderOpens(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	op := create(t, s, "first", "a")
	for name, prepare := range map[string]func(t *testing.T, folder string){
		"killed":            func(*testing.T, string) {},
		"opened by another": func(t *testing.T, folder string) { alter(t, folder, "PRAGMA user_version") },
		"instance.json is behind": func(t *testing.T, folder string) {
			write(t, `{"layout": 1, "instance": "a"}`, folder, "instance.json")
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := copyFolder(t, folder)
			prepare(t, folder)
			for range 2 {
				s := open(t, store.Config{Folder: folder})
				readBack(t, s, op, "a")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestFirstStartIsRepeated opens a folder whose very first start was killed in the middle.
func TestFirstStartIsRepeated(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, folder string){
		"no database":        func(*testing.T, string) {},
		"an empty one":       func(t *testing.T, folder string) { write(t, "", folder, "metadata.db") },
		"one without tables": func(t *testing.T, folder string) { alter(t, folder, "PRAGMA journal_mode=WAL") },
		"one that is complete": func(t *testing.T, folder string) {
			other := t.TempDir()
			if err := open(t, store.Config{Folder: other}).Close(); err != nil {
				t.Fatal(err)
			}
			replace(t, filepath.Join(other, "metadata.db"), filepath.Join(folder, "metadata.db"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			write(t, `{"layout": 1, "instance": "a", "making": true}`, folder, "instance.json")
			prepare(t, folder)
			s := open(t, store.Config{Folder: folder})
			create(t, s, "r", "a")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			remove(t, folder, "metadata.db")
			if _, err := store.Open(t.Context(), store.Config{Folder: folder, LockWait: -1}); err == nil {
				t.Error("Open without the database = nil, want an error: the folder was in use")
			}
		})
	}
}

// TestDatabaseFileIsComplete finds the tables and the instance row in the database file without its
// WAL at any time.
func TestDatabaseFileIsComplete(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	look := func() (generation, operations int) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "metadata.db")+"?immutable=1&mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		const query = "SELECT generation, (SELECT count(*) FROM operations) FROM instance"
		err = db.QueryRowContext(t.Context(), query).Scan(&generation, &operations)
		if err != nil {
			t.Fatal(err)
		}
		return generation, operations
	}
	first, _ := look()
	create(t, s, "r", "a")
	if err := s.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
	if later, operations := look(); later <= first || operations != 1 {
		t.Errorf("the file has generation %d and %d operations after a mark, want more than %d, and 1", later,
			operations, first)
	}
	wal, err := os.Stat(filepath.Join(folder, "metadata.db-wal"))
	if err != nil || wal.Size() == 0 {
		t.Errorf("WAL = %v, want what was raised in it", err)
	}
}

// TestOnlyTheOwnerReads lets no other user read the database, with any mode of the folder and of
// files from an earlier release.
func TestOnlyTheOwnerReads(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o777); err != nil { //nolint:gosec // it is what is tested
		t.Fatal(err)
	}
	modes := func() map[string]fs.FileMode {
		modes := make(map[string]fs.FileMode)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(filepath.Join(folder, "metadata.db"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			modes[suffix] = info.Mode().Perm()
		}
		return modes
	}
	want := map[string]fs.FileMode{"": 0o600, "-wal": 0o600, "-shm": 0o600}
	s := open(t, store.Config{Folder: folder})
	if got := modes(); !maps.Equal(got, want) {
		t.Errorf("modes of a new database = %v, want %v", got, want)
	}
	killed := copyFolder(t, folder)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	folder = killed
	for suffix := range want {
		if err := os.Chmod(filepath.Join(folder, "metadata.db"+suffix), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(t, store.Config{Folder: folder})
	if got := modes(); !maps.Equal(got, want) {
		t.Errorf("modes of an earlier release's database = %v, want %v", got, want)
	}
}

// TestKilledFolderOpensAfterReader opens what a kill leaves when a reader kept the writer from
// copying the WAL several times. The generation must not run ahead of the database file then.
func TestKilledFolderOpensAfterReader(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	create(t, s, "before", "a")
	release, err := s.HoldSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, reference := range []string{"1", "2", "3"} {
		create(t, s, reference, "a")
		if err := s.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	killed := open(t, store.Config{Folder: copyFolder(t, folder)})
	ops, err := killed.FindByReference(t.Context(), "c", "3")
	if err != nil || len(ops) != 1 {
		t.Errorf("operations after a kill are %v, %v, want the last one", ops, err)
	}
}
