package store_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestFullMetadata accepts nothing when the metadata has no room, serves what exists, and removes
// the documents of the refused request.
func TestFullMetadata(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	kept := create(t, s, "kept", "a")
	pages, _, err := s.Pages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LimitPages(t.Context(), pages); err != nil {
		t.Fatal(err)
	}
	up, n := request(t, s, "refused", make([]string, 1000)...)
	_, err = s.Create(t.Context(), up, n)
	wantBusy(t, "Create", err)
	up.Discard()
	prepared := preparedFor([]signing.Ref{{Operation: kept.ID}}, 1<<20)
	if err := s.SavePrepared(t.Context(), prepared); signing.KindOf(err) != signing.KindStorage {
		t.Errorf("SavePrepared = %v, want KindStorage", err)
	}
	readBack(t, s, kept, "a")
	if err := s.LimitPages(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := len(list(t, folder, "operations")); got != 2 {
		t.Errorf("operations holds %d files after a commit that failed, want it kept for now", got)
	}
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Errorf("Sweep = %v", err)
	}
	if got := strings.Join(list(t, folder, "operations"), " "); got != kept.ID.String() {
		t.Errorf("operations holds %s after a sweep, want %s", got, kept.ID)
	}
	create(t, s, "refused", "now it fits")
	if err := s.SavePrepared(t.Context(), prepared); err != nil {
		t.Errorf("SavePrepared with room = %v", err)
	}
}

// TestStoredAlthoughReported keeps and counts the documents of an operation that exists although
// its commit was reported as failed.
func TestStoredAlthoughReported(t *testing.T) {
	s := open(t, store.Config{Folder: t.TempDir()})
	op := create(t, s, "kept", "a document")
	before, err := s.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Doubt(op.ID, before.StoredBytes)
	for range 2 { // the second sweep has nothing to settle
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Errorf("Sweep = %v", err)
		}
	}
	readBack(t, s, op, "a document")
	if after, err := s.Stats(t.Context()); err != nil || after.StoredBytes != before.StoredBytes {
		t.Errorf("stored bytes = %d, %v, want %d", after.StoredBytes, err, before.StoredBytes)
	}
}
