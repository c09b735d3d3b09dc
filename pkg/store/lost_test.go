package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestUnknownDocumentsAreKept moves documents that the database does not know, with a warning, and
// never removes them.
func TestUnknownDocumentsAreKept(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	op := create(t, s, "r", "kept")
	unknown := (op.ID + 1024*77).String()
	var log strings.Builder
	for round, want := range []string{unknown, unknown + ".1"} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, "documents of round "+want, folder, "operations", unknown)
		log.Reset()
		s = open(t,
			store.Config{Folder: folder, Log: funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})})
		if got := log.String(); strings.Count(got, "WARNING") != 1 || !strings.Contains(got, `"files"=1`) {
			t.Errorf("log = %s, want a warning about one file", got)
		}
		got, err := os.ReadFile(filepath.Join(folder, "lost", want))
		if err != nil || string(got) != "documents of round "+want {
			t.Errorf("lost/%s = %q, %v, want the documents", want, got, err)
		}
		if st, err := s.Stats(t.Context()); err != nil || st.LostFiles != int64(round+1) {
			t.Errorf("Stats = %+v, %v, want %d lost files", st, err, round+1)
		}
	}
	if got := list(t, folder, "operations"); !slices.Equal(got, []string{op.ID.String()}) {
		t.Errorf("operations holds %q, want the operation that is known", got)
	}
	readBack(t, s, op, "kept")
}

// TestRenameAfterCommit loses nothing when the process ends between the commit of an operation and
// the rename of its file. Until the next start the documents are served under the name that they
// have.
func TestRenameAfterCommit(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder, Retention: store.Retention{Age: time.Hour}})
	op := create(t, s, "r", "a document")
	other := create(t, s, "other", "b")
	for _, id := range []signing.ID{op.ID, other.ID} {
		path := filepath.Join(folder, "operations", id.String())
		if err := os.Rename(path, path+".new"); err != nil {
			t.Fatal(err)
		}
	}
	readBack(t, s, op, "a document")
	end(t, s, other, time.Now().Add(-2*time.Hour))
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	s = reopen(t, s, store.Config{Folder: folder})
	if got := list(t, folder, "operations"); !slices.Equal(got, []string{op.ID.String()}) {
		t.Errorf("operations holds %q after a start, want %s", got, op.ID)
	}
	readBack(t, s, op, "a document")
}

// TestRemovedDocumentsAreNotLost removes files of removed operations at the next start, because the
// database knows that it removed the operations.
func TestRemovedDocumentsAreNotLost(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder, Retention: store.Retention{Age: time.Hour}})
	op := create(t, s, "r", "a")
	path := filepath.Join(folder, "operations", op.ID.String())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil { // a file that cannot be removed, so to say
		t.Fatal(err)
	}
	end(t, s, op, time.Now().Add(-2*time.Hour))
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	write(t, "a", path)
	s = open(t, store.Config{Folder: folder})
	if got := append(list(t, folder, "operations"), list(t, folder)...); slices.Contains(got, "lost") ||
		slices.Contains(got, op.ID.String()) {
		t.Errorf("the folder holds %q, want the removed operation's file gone", got)
	}
}

// TestFolderDeleted returns KindBusy with a Retry-After to writers and readers when the state
// folder was deleted while the store runs.
func TestFolderDeleted(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	s := open(t, store.Config{Folder: folder, MinFree: -1})
	op := create(t, s, "r", "a")
	docs, err := s.Documents(t.Context(), op.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	up, n := request(t, s, "second", "b")
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), up, n)
	wantBusy(t, "Create", err)
	_, err = s.NewUpload(t.Context())
	wantBusy(t, "NewUpload", err)
	_, err = s.OpenFile(t.Context(), op.ID, docs[0].Content)
	wantBusy(t, "OpenFile", err)
	wantBusy(t, "Check", s.Check(t.Context()))
}
