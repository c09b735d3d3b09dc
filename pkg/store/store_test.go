package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// open opens a store that is closed with the test. Without a folder it opens an empty one.
func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	if cfg.Folder == "" {
		cfg.Folder = t.TempDir()
	}
	if cfg.Log.GetSink() == nil {
		cfg.Log = testr.New(t)
	}
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// request uploads documents and returns the request for them.
func request(
	t *testing.T, s signing.Store, reference string, contents ...string,
) (signing.Upload, signing.NewOperation) {
	t.Helper()
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := signing.NewOperation{
		ClientService: "c",
		Created:       time.Now(),
		Request:       signing.Request{ExternalReference: reference},
	}
	for i, content := range contents {
		c, err := up.Add(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		n.Contents = append(n.Contents, c)
		n.Request.Documents = append(n.Request.Documents,
			signing.DocumentRequest{ExternalReference: fmt.Sprint(reference, "/", i), Name: "a.pdf"})
	}
	return up, n
}

func create(t *testing.T, s signing.Store, reference string, contents ...string) signing.Operation {
	t.Helper()
	up, n := request(t, s, reference, contents...)
	op, err := s.Create(t.Context(), up, n)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// end gives an operation up at the given time.
func end(t *testing.T, s signing.Store, op signing.Operation, at time.Time) {
	t.Helper()
	failed := signing.StatusChange{Status: signing.StatusFailed, Ended: at}
	if err := s.SetStatus(t.Context(), op.ID, op.Status, failed); err != nil {
		t.Fatal(err)
	}
}

// readBack compares the documents of an operation with what was sent.
func readBack(t *testing.T, s signing.Store, op signing.Operation, contents ...string) {
	t.Helper()
	docs, err := s.Documents(t.Context(), op.ID, 0, len(contents)+1)
	if err != nil || len(docs) != len(contents) {
		t.Fatalf("Documents = %d, %v, want %d", len(docs), err, len(contents))
	}
	for i, d := range docs {
		f, err := s.OpenFile(t.Context(), op.ID, d.Content)
		if err != nil {
			t.Errorf("OpenFile(%d) = %v", i, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || string(got) != contents[i] {
			t.Errorf("document %d = %.30q, %v, want %.30q", i, got, err, contents[i])
		}
		_ = f.Close()
	}
}

func TestConformance(t *testing.T) {
	folders := make(map[signing.Store]string)
	at := func(t *testing.T, folder string) signing.Store {
		s := open(t, store.Config{Folder: folder, Ordinal: 7})
		folders[s] = folder
		return s
	}
	storetest.Run(t, func(t *testing.T) signing.Store { return at(t, t.TempDir()) }, storetest.Options{
		Reopen: func(t *testing.T, s signing.Store) signing.Store {
			if err := s.(*store.Store).Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
			return at(t, folders[s])
		},
	})
}

// TestGroupCommit commits writes together that were queued while the disk was busy. A write that is
// refused does not affect the others.
func TestGroupCommit(t *testing.T) {
	s := open(t, store.Config{})
	const writes = 20
	ops := make([]signing.Operation, writes)
	for i := range ops {
		ops[i] = create(t, s, fmt.Sprint(i), "a")
	}
	release := s.Hold(t.Context())
	errs := make([]error, writes)
	var callers sync.WaitGroup
	for i := range ops {
		callers.Go(func() {
			from := signing.StatusPending
			if i%3 == 0 {
				from = signing.StatusRetrying // which it is not
			}
			errs[i] = s.SetStatus(t.Context(), ops[i].ID, from, signing.StatusChange{Status: signing.StatusRetrying, Tries: i})
		})
	}
	for s.Queued() < writes {
		runtime.Gosched() // nothing tells when a goroutine has queued
	}
	release()
	callers.Wait()
	for i, err := range errs {
		op, rerr := s.Operation(t.Context(), ops[i].ID)
		if rerr != nil {
			t.Fatal(rerr)
		}
		if i%3 == 0 {
			if !errors.Is(err, signing.ErrConflict) || op.Status != signing.StatusPending {
				t.Errorf("write %d = %v, status %s, want a conflict alone", i, err, op.Status)
			}
		} else if err != nil || op.Tries != i {
			t.Errorf("write %d = %v, tries %d, want it stored", i, err, op.Tries)
		}
	}
}

func TestClosedStore(t *testing.T) {
	s := open(t, store.Config{})
	op := create(t, s, "r", "a")
	up, n := request(t, s, "s", "b")
	docs, err := s.Documents(t.Context(), op.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.OpenFile(t.Context(), op.ID, docs[0].Content)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	_, createErr := s.Create(t.Context(), up, n)
	_, readErr := s.Operation(t.Context(), op.ID)
	for what, err := range map[string]error{"Create": createErr, "Operation": readErr, "Check": s.Check(t.Context())} {
		if signing.KindOf(err) != signing.KindStorage {
			t.Errorf("%s on a closed store = %v, want KindStorage", what, err)
		}
	}
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || !bytes.Equal(got, []byte("a")) {
		t.Errorf("open file after Close = %q, %v, want it readable", got, err)
	}
}

func TestCheckAndStats(t *testing.T) {
	s := open(t, store.Config{MinFree: 1000})
	s.DiskBytes(5 << 30)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check = %v, want nil", err)
	}
	end(t, s, create(t, s, "ended", "12345"), time.Now())
	create(t, s, "open", "123", "4567")
	up, _ := request(t, s, "uploading", "12")
	got, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.MetadataBytes <= 0 || got.FreeBytes <= 0 {
		t.Errorf("Stats = %+v, want metadata and free space", got)
	}
	got.MetadataBytes, got.FreeBytes = 0, 0
	want := store.Stats{
		StoredBytes: 12, UploadingBytes: 2, DiskBytes: 5 << 30, MinFreeBytes: 1000,
		Operations: 2, UnfinishedOperations: 1, UnfinishedDocuments: 2,
	}
	if got != want {
		t.Errorf("Stats = %+v, want %+v", got, want)
	}
	up.Discard()
	if got, err := s.Stats(t.Context()); err != nil || got.UploadingBytes != 0 {
		t.Errorf("UploadingBytes after Discard = %d, %v, want 0", got.UploadingBytes, err)
	}
}
