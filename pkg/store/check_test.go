package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// checkedFolder holds operations that were signed, with one section in the database and one in the
// file, one that failed, one that has not ended, and one whose call has no end.
func checkedFolder(t *testing.T) (folder string, signed, large signing.Operation) {
	t.Helper()
	folder = t.TempDir()
	s := open(t, store.Config{Folder: folder})
	signed = create(t, s, "signed", "first content", "second content")
	large = create(t, s, "large", "third content")
	failed := create(t, s, "failed", "fourth content")
	create(t, s, "received", "fifth content")
	sent := create(t, s, "sent", "sixth content")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	finish := func(op signing.Operation, section []byte) {
		t.Helper()
		var prepared []signing.PreparedDocument
		call := signing.CallRecord{ID: op.ExternalReference, Credential: "credential"}
		var values [][]byte
		var results []signing.DocumentResult
		for i := range op.DocumentCount {
			ref := signing.Ref{Operation: op.ID, Index: i}
			prepared = append(prepared,
				signing.PreparedDocument{Ref: ref, Prepared: signing.Prepared{Digest: []byte{1}, State: []byte{2}}})
			call.Refs, values = append(call.Refs, ref), append(values, []byte{3})
			results = append(results, signing.DocumentResult{Ref: ref, Section: section})
		}
		must(s.SavePrepared(t.Context(), prepared))
		must(s.BeginCall(t.Context(), call))
		must(s.EndCall(t.Context(), call.ID, values))
		must(s.FinishDocuments(t.Context(), results))
		must(
			s.SetStatus(t.Context(), op.ID, signing.StatusPending,
				signing.StatusChange{Status: signing.StatusExecuted, Ended: op.Created}),
		)
	}
	finish(signed, []byte("section"))
	finish(large, make([]byte, 100<<10))
	must(
		s.FinishDocuments(
			t.Context(),
			[]signing.DocumentResult{
				{Ref: signing.Ref{Operation: failed.ID}, Failure: &signing.Failure{Kind: signing.KindProvider}},
			},
		),
	)
	must(
		s.SetStatus(t.Context(), failed.ID, signing.StatusPending,
			signing.StatusChange{Status: signing.StatusFailed, Ended: failed.Created}),
	)
	refs := []signing.Ref{{Operation: sent.ID}}
	must(
		s.SavePrepared(t.Context(),
			[]signing.PreparedDocument{{Ref: refs[0], Prepared: signing.Prepared{Digest: []byte{1}}}}),
	)
	must(s.BeginCall(t.Context(), signing.CallRecord{ID: "open", Refs: refs}))
	must(s.Close())
	return folder, signed, large
}

// TestCheck finds nothing when nothing is wrong.
func TestCheck(t *testing.T) {
	folder, _, _ := checkedFolder(t)
	write(t, "", folder, "operations", "1024.new")
	write(t, "", folder, "operations", "2048")
	write(t, "", folder, "lost", "3072")
	for range 2 { // the first run changes nothing
		r, err := store.Check(t.Context(), folder)
		if err != nil || len(r.Faults) > 0 {
			t.Fatalf("Check = %+v, %v", r, err)
		}
		if r.Operations != 5 || r.Documents != 6 || r.Unfinished != 2 || r.OpenCalls != 1 || r.Leftovers != 1 ||
			r.Bytes < 100<<10 {
			t.Errorf("Check = %+v", r)
		}
		if want := []string{"operations/2048", "lost/3072"}; !slices.Equal(r.Lost, want) {
			t.Errorf("Check names %q as lost, want %q", r.Lost, want)
		}
	}
	open(t, store.Config{Folder: folder}) // the store opens as before
}

// TestCheckFinds damages a folder in every way that Check looks for.
func TestCheckFinds(t *testing.T) {
	for name, test := range map[string]struct {
		sql         string
		file, large func(path string) error // of the signed operation, of the one with a large section
		want        string
	}{
		"document changed": {
			file: func(p string) error { return overwrite(p, 0, "F") },
			want: "document 0: its bytes are not those that were received",
		},
		"second one changed": {
			file: func(p string) error { return overwrite(p, 14, "X") },
			want: "document 1: its bytes are not those that were received",
		},
		"file cut short": {
			file: func(p string) error { return os.Truncate(p, 20) },
			want: "document 1: 7 of 14 bytes exist",
		},
		"file missing":    {file: os.Remove, want: "its documents cannot be read: no such file or directory"},
		"section missing": {sql: "DELETE FROM sections", want: "document 0: its signature is missing"},
		"section elsewhere": {
			sql:  "UPDATE progress SET section_at = 1000000 WHERE section_at IS NOT NULL",
			want: "its signature is beyond the end of the file",
		},
		"section changed": {
			sql:  "UPDATE sections SET section = CAST('sectiom' AS BLOB)",
			want: "document 0: the bytes of its signature are not those that were stored",
		},
		"large one changed": {
			large: func(p string) error { return overwrite(p, 13+50<<10, "X") },
			want:  "document 0: the bytes of its signature are not those that were stored",
		},
		"document missing": {sql: "DELETE FROM documents WHERE position = 1", want: "has 2 documents, but 1 exist"},
		"state missing": {
			sql:  "DELETE FROM progress WHERE state = 'received'",
			want: "document 0: its state is missing",
		},
		"prepared missing": {sql: "DELETE FROM prepared", want: "document 0: is sent, but what was prepared is missing"},
		"ended too early": {
			sql:  "UPDATE progress SET state = 'received' WHERE state = 'failed'",
			want: "document 0: is received, but the operation has ended",
		},
		"status of another": {
			sql:  "UPDATE operations SET status = 'EXECUTED' WHERE status = 'EXECUTION_FAILED'",
			want: "is EXECUTED with 0 signed documents",
		},
		"end of another": {
			sql:  "UPDATE operations SET is_ended = 0 WHERE status = 'EXECUTED'",
			want: "status EXECUTED does not fit its end",
		},
		"sent in no call": {sql: "DELETE FROM calls", want: "document 0: is sent, but no call has it"},
		"called too early": {
			sql:  "UPDATE progress SET state = 'prepared' WHERE state = 'sent'",
			want: "document 0: is prepared, but call open has no end",
		},
		"counters": {
			sql:  "UPDATE instance SET returned = returned + 1",
			want: "counters: 4 digests were sent, but 4 returned, 0 are unknown, 0 refused and 1 in open calls",
		},
		"operation missing": {
			sql:  "DELETE FROM operations WHERE status = 'EXECUTION_FAILED'",
			want: "table documents: 1 rows belong to no operation",
		},
		"documents missing": {
			sql:  "DELETE FROM documents WHERE operation = (SELECT max(operation) FROM documents)",
			want: "table progress: 1 rows belong to no operation",
		},
		"call of nobody": {sql: "UPDATE calls SET refs = '[]'", want: "call open: its documents cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, signed, large := checkedFolder(t)
			if test.sql != "" {
				alter(t, folder, test.sql)
			}
			for id, change := range map[signing.ID]func(string) error{signed.ID: test.file, large.ID: test.large} {
				if change == nil {
					continue
				}
				if err := change(filepath.Join(folder, "operations", id.String())); err != nil {
					t.Fatal(err)
				}
			}
			r, err := store.Check(t.Context(), folder)
			if err != nil || !strings.Contains(strings.Join(r.Faults, "\n"), test.want) {
				t.Errorf("Check = %+v, %v, want %q", r, err, test.want)
			}
		})
	}
}

// TestDamagedSection does not give out a section of which a byte was changed on disk, in the
// database or in the file. It gives out one that an earlier release stored without a digest.
func TestDamagedSection(t *testing.T) {
	folder, signed, large := checkedFolder(t)
	alter(t, folder,
		fmt.Sprintf("UPDATE sections SET section = CAST('sectiom' AS BLOB) WHERE id = %d", int64(signed.ID)+1024))
	if err := overwrite(filepath.Join(folder, "operations", large.ID.String()), 13+50<<10, "X"); err != nil {
		t.Fatal(err)
	}
	for i, want := range []signing.Kind{signing.KindAltered, ""} {
		old := i > 0
		if old {
			alter(t, folder, "UPDATE progress SET section_sha256 = NULL")
		}
		s := open(t, store.Config{Folder: folder})
		for _, ref := range []signing.Ref{{Operation: signed.ID}, {Operation: large.ID}} {
			f, _, err := s.OpenSection(t.Context(), ref)
			if err == nil {
				_ = f.Close()
			}
			if (want == "") != (err == nil) || err != nil && signing.KindOf(err) != want {
				t.Errorf("OpenSection(%v) without a digest (%v) = %v, want kind %q", ref, old, err, want)
			}
		}
		f, _, err := s.OpenSection(t.Context(), signing.Ref{Operation: signed.ID, Index: 1})
		if err != nil {
			t.Errorf("OpenSection of its neighbour = %v", err)
		} else {
			_ = f.Close()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func overwrite(path string, at int64, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(text), at)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// TestCheckDatabase finds a database whose pages were overwritten.
func TestCheckDatabase(t *testing.T) {
	folder, _, _ := checkedFolder(t)
	path := filepath.Join(folder, "metadata.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(8192); at+4096 <= info.Size(); at += 8192 {
		if err := overwrite(path, at, strings.Repeat("\xff", 4096)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := store.Check(t.Context(), folder)
	if err == nil && len(r.Faults) == 0 || err != nil && !strings.Contains(err.Error(), "malformed") {
		t.Errorf("Check = %+v, %v, want faults, or that it cannot be read", r, err)
	}
}

// TestCheckRefuses a folder that is in use, and one that is not a state folder.
func TestCheckRefuses(t *testing.T) {
	_, err := store.Check(t.Context(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "it is not a state folder") {
		t.Errorf("Check of an empty folder = %v", err)
	}
	folder := t.TempDir()
	open(t, store.Config{Folder: folder})
	if _, err := store.Check(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "stop the proxy first") {
		t.Errorf("Check of a folder in use = %v", err)
	}
}
