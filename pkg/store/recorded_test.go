package store_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// The recorded operations. Each has one document of 329 bytes.
const (
	recordedFinished = signing.ID(1839136072473600)
	recordedPending  = signing.ID(1839136072475648)
)

// TestRecordedFolder opens a state folder that a release with version 5 of the database wrote:
// the finished operation can be fetched, and the pending one is carried to its end.
//
// testdata/version5 was made by a built proxy of that release with its embedded key. It signed one
// document, was stopped, accepted a second document, and was killed before the second signature. So
// the last changes are in the WAL only. Files that are not the store's (keys, audit record) were
// left out.
func TestRecordedFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "version5"))); err != nil {
		t.Fatal(err)
	}
	checkRecorded(t, folder, 1)
	s := open(t, store.Config{Folder: folder})
	if got, want := s.Instance(), "6525d167c4229d023fdd387bb07e5ec5"; got != want {
		t.Errorf("instance is %q, want %q", got, want)
	}
	op, err := s.Operation(t.Context(), recordedFinished)
	if err != nil || op.Status != signing.StatusExecuted || op.ExternalReference != "finished" {
		t.Errorf("finished operation is %+v, %v", op, err)
	}
	wantRecorded(t, s, recordedFinished, 5298)
	unfinished, err := s.Unfinished(t.Context())
	if err != nil || len(unfinished) != 1 || unfinished[0] != recordedPending {
		t.Fatalf("unfinished operations are %v, %v, want the pending one", unfinished, err)
	}
	finishRecorded(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkRecorded(t, folder, 0)
	s = open(t, store.Config{Folder: folder})
	wantRecorded(t, s, recordedFinished, 5298)
	wantRecorded(t, s, recordedPending, int64(len("section")))
	if next := create(t, s, "new", "content"); next.ID <= recordedPending {
		t.Errorf("a new operation has id %s, want one above the recorded ids", next.ID)
	}
}

// checkRecorded wants store.Check to find both operations and no fault.
func checkRecorded(t *testing.T, folder string, unfinished int) {
	t.Helper()
	r, err := store.Check(t.Context(), folder)
	if err != nil || r.Operations != 2 || r.Documents != 2 || r.Unfinished != unfinished || len(r.Faults)+len(r.Lost) > 0 {
		t.Errorf("Check = %+v, %v; want 2 operations, %d of them unfinished, and no fault", r, err, unfinished)
	}
}

// wantRecorded wants an operation's document as it came, and a section of the given length.
func wantRecorded(t *testing.T, s *store.Store, id signing.ID, section int64) {
	t.Helper()
	docs, err := s.Documents(t.Context(), id, 0, 10)
	if err != nil || len(docs) != 1 || docs[0].State != signing.DocumentSigned || docs[0].Content.Size != 329 {
		t.Fatalf("documents of %s are %+v, %v", id, docs, err)
	}
	f, err := s.OpenFile(t.Context(), id, docs[0].Content)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !strings.HasPrefix(string(content), "%PDF-1.7\n") || !strings.HasSuffix(string(content), "%%EOF\n") {
		t.Errorf("document of %s is %d bytes, %v; want the recorded PDF", id, len(content), err)
	}
	g, pieces, err := s.OpenSection(t.Context(), docs[0].Ref)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	appended := signing.Appended(329, section)
	if !slices.Equal(pieces, appended) || !slices.Equal(docs[0].Pieces, appended) {
		t.Errorf("signed document of %s is %v and %v, want the original and then the section", id, pieces, docs[0].Pieces)
	}
	if g.Size() != section {
		t.Errorf("section of %s has %d bytes, want %d", id, g.Size(), section)
	}
}

// finishRecorded signs the pending operation, whose digest is recorded already.
func finishRecorded(t *testing.T, s *store.Store) {
	t.Helper()
	ref := signing.Ref{Operation: recordedPending}
	if p, _, err := s.Prepared(t.Context(), ref); err != nil || len(p.Digest) != 32 {
		t.Fatalf("Prepared = %d bytes of digest, %v; want 32", len(p.Digest), err)
	}
	call := signing.CallRecord{ID: "call", Credential: "credential", Refs: []signing.Ref{ref}}
	if err := s.BeginCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if err := s.EndCall(t.Context(), "call", [][]byte{[]byte("value")}); err != nil {
		t.Fatal(err)
	}
	results := []signing.DocumentResult{{Ref: ref, Section: []byte("section")}}
	if err := s.FinishDocuments(t.Context(), results); err != nil {
		t.Fatal(err)
	}
	op, err := s.Operation(t.Context(), recordedPending)
	if err != nil {
		t.Fatal(err)
	}
	end := signing.StatusChange{Status: signing.StatusExecuted, Ended: time.Now()}
	if err := s.SetStatus(t.Context(), recordedPending, op.Status, end); err != nil {
		t.Fatal(err)
	}
}
