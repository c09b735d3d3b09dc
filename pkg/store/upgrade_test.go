package store_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// alter changes the database of a store that is closed.
func alter(t *testing.T, folder, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

// versionEight removes from a database what version 9 added.
const versionEight = `
	ALTER TABLE progress DROP COLUMN certificate; ALTER TABLE prepared DROP COLUMN certificate;`

// versionSeven removes from a database what the versions 8 and 9 added.
const versionSeven = versionEight + `
	DROP TABLE claims; DROP TABLE claim_totals; DROP TABLE key_state;
	DROP INDEX operations_key_digest; ALTER TABLE operations DROP COLUMN key_digest;`

// versionSix removes from a database of version 7 what that version added.
const versionSix = "ALTER TABLE progress DROP COLUMN pieces;"

// versionFive removes from a database of version 6 what that version added.
const versionFive = `
	ALTER TABLE instance DROP COLUMN generation; ALTER TABLE instance DROP COLUMN swept;
	DROP TRIGGER usage_more; DROP TRIGGER usage_other; DROP TRIGGER usage_less; DROP TABLE usage;
	ALTER TABLE operations DROP COLUMN metadata; DROP TABLE removed; DROP INDEX operations_of_client;`

// versionOne removes from a database of version 5 what the versions 2 to 5 added.
const versionOne = `
	ALTER TABLE progress DROP COLUMN section_sha256;
	ALTER TABLE calls DROP COLUMN certificate;
	DROP INDEX operations_fetched; ALTER TABLE operations DROP COLUMN fetched;
	ALTER TABLE operations DROP COLUMN callback; DROP TABLE callbacks;`

// TestUpgrade upgrades a database of the first version with everything in it, including an open
// call.
func TestUpgrade(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	op := create(t, s, "r", "content")
	refs := []signing.Ref{{Operation: op.ID, Index: 0}}
	prepared := []signing.PreparedDocument{{Ref: refs[0], Prepared: signing.Prepared{Digest: []byte{1}}}}
	if err := s.SavePrepared(t.Context(), prepared); err != nil {
		t.Fatal(err)
	}
	call := signing.CallRecord{ID: "call", Credential: "credential", Certificate: "1f", Refs: refs}
	if err := s.BeginCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, folder, versionSeven+versionSix+versionFive+versionOne+"PRAGMA user_version = 1")
	before := `{"layout": 1, "instance": "` + s.Instance() + `"}` // without a generation, as the release wrote it
	write(t, before, folder, "instance.json")
	for range 2 { // the second time nothing is left to do
		s = open(t, store.Config{Folder: folder})
		if got := s.UsedBy(t, "c"); got < int64(len("content")) {
			t.Errorf("the client service uses %d bytes, want its documents counted", got)
		}
		calls, err := s.OpenCalls(t.Context())
		if err != nil || len(calls) != 1 || calls[0].ID != "call" || calls[0].Certificate != "" || len(calls[0].Refs) != 1 {
			t.Errorf("open calls are %+v, %v", calls, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpgradeOfCertificates opens a database of version 8. It knows no certificate of the documents
// in it, and those that follow have theirs.
func TestUpgradeOfCertificates(t *testing.T) {
	folder, signed, _ := checkedFolder(t)
	s := open(t, store.Config{Folder: folder})
	valued := create(t, s, "valued", "content")
	ref := signing.Ref{Operation: valued.ID}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.SavePrepared(t.Context(), []signing.PreparedDocument{
		{Ref: ref, Prepared: signing.Prepared{Digest: []byte{1}, State: []byte{2}, Certificate: "0A"}}}))
	must(s.BeginCall(t.Context(), signing.CallRecord{ID: "call", Credential: "credential", Refs: []signing.Ref{ref}}))
	must(s.EndCall(t.Context(), "call", [][]byte{{3}}))
	must(s.Close())
	alter(t, folder, versionEight+"PRAGMA user_version = 8")

	s = open(t, store.Config{Folder: folder})
	if got := document(t, s, signing.Ref{Operation: signed.ID}); got.State != signing.DocumentSigned ||
		got.CertificateSerial != "" {
		t.Errorf("signed document = %+v, want one without a certificate", got)
	}
	if p, value, err := s.Prepared(t.Context(), ref); err != nil || len(value) != 1 || p.Certificate != "" {
		t.Errorf("Prepared = %+v, %v, %v, want a value without a certificate", p, value, err)
	}
	must(s.FinishDocuments(t.Context(), []signing.DocumentResult{{Ref: ref, Section: []byte("s"), Certificate: "0A"}}))
	must(s.Close())
	s = open(t, store.Config{Folder: folder})
	if got := document(t, s, ref).CertificateSerial; got != "0A" {
		t.Errorf("CertificateSerial = %q, want that of FinishDocuments", got)
	}
}

// TestLaterDatabase refuses a database that a later release wrote, and leaves it unchanged.
func TestLaterDatabase(t *testing.T) {
	folder := t.TempDir()
	if err := open(t, store.Config{Folder: folder}).Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, folder, "PRAGMA user_version = 99")
	_, err := store.Open(t.Context(), store.Config{Folder: folder})
	if err == nil || !strings.Contains(err.Error(), "database version is 99") {
		t.Errorf("Open = %v, want a refusal that names the version", err)
	}
}

// queryInt reads one number from the database of a store that is closed.
func queryInt(t *testing.T, folder, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
