package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// wantKept compares which operations are left.
func wantKept(t *testing.T, s *store.Store, ops []signing.Operation, want ...bool) {
	t.Helper()
	for i, op := range ops {
		_, err := s.Operation(t.Context(), op.ID)
		if kept := err == nil; kept != want[i] {
			t.Errorf("operation %d: %v, want kept = %v", i, err, want[i])
		}
	}
}

func TestRetentionByAge(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder, Retention: store.Retention{Age: time.Hour}})
	var ops []signing.Operation
	for i, age := range []time.Duration{3 * time.Hour, 61 * time.Minute, 59 * time.Minute, 0} {
		op := create(t, s, fmt.Sprint(i), "a", "b")
		if age > 0 {
			end(t, s, op, time.Now().Add(-age))
		}
		ops = append(ops, op)
	}
	if n, err := s.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("Sweep = %d, %v, want 2", n, err)
	}
	wantKept(t, s, ops, false, false, true, true)
	if got := list(t, folder, "operations"); len(got) != 2 {
		t.Errorf("operations holds %q, want two files", got)
	}
	if _, err := s.FindByDocumentReference(t.Context(), "c", "0/0"); signing.KindOf(err) != signing.KindNotFound {
		t.Errorf("FindByDocumentReference of a removed operation = %v, want KindNotFound", err)
	}
	create(t, s, "0", "again") // the reference is free
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("second Sweep = %d, %v, want 0", n, err)
	}
}

// TestRetentionOfCallbacks logs when an operation is removed before its callback was made, unless
// its owner removed it.
func TestRetentionOfCallbacks(t *testing.T) {
	var log strings.Builder
	s := open(
		t,
		store.Config{
			Retention: store.Retention{Age: time.Hour},
			Log:       funcr.New(func(_, args string) { log.WriteString(args) }, funcr.Options{}),
		},
	)
	ended := func(reference, callback string) signing.Operation {
		up, n := request(t, s, reference, "a")
		n.Callback = callback
		op, err := s.Create(t.Context(), up, n)
		if err != nil {
			t.Fatal(err)
		}
		end(t, s, op, time.Now().Add(-2*time.Hour))
		return op
	}
	if err := s.Remove(t.Context(), ended("removed", "https://a.example").ID); err != nil {
		t.Fatal(err)
	}
	ended("without", "")
	ended("one", "https://a.example")
	ended("two", "https://a.example")
	if n, err := s.Sweep(t.Context()); n != 3 || err != nil {
		t.Errorf("Sweep = %d, %v, want 3", n, err)
	}
	if left, err := s.Callbacks(t.Context(), 10); len(left) != 0 || err != nil {
		t.Errorf("Callbacks = %v, %v, want none", left, err)
	}
	if got := log.String(); strings.Count(got, "before their callbacks") != 1 || !strings.Contains(got, `"callbacks"=2`) {
		t.Errorf("log = %s, want that 2 callbacks were not made", got)
	}
}

// TestRetentionOfFetched removes operations that were fetched earlier than others if that was
// configured. It keeps those that were not fetched or have not ended.
func TestRetentionOfFetched(t *testing.T) {
	for name, test := range map[string]struct {
		fetched time.Duration
		kept    bool
	}{"at once": {time.Nanosecond, false}, "later": {time.Hour, true}, "not asked for": {0, true}} {
		t.Run(name, func(t *testing.T) {
			s := open(t, store.Config{Retention: store.Retention{Age: 24 * time.Hour, Fetched: test.fetched}})
			fetched := create(t, s, "fetched", "a", "b")
			other, running := create(t, s, "other", "a"), create(t, s, "running", "a")
			end(t, s, fetched, time.Now())
			end(t, s, other, time.Now())
			for _, op := range []signing.Operation{fetched, fetched, running} {
				if err := s.Fetched(t.Context(), op.ID); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Fetched(t.Context(), 1<<40); err != nil {
				t.Errorf("Fetched of a missing operation = %v", err)
			}
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantKept(t, s, []signing.Operation{fetched, other, running}, test.kept, true, true)
		})
	}
}

func TestRetentionBySize(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	content := strings.Repeat("x", size)
	var ops []signing.Operation
	for i := range 6 {
		op := create(t, s, fmt.Sprint(i), content)
		if i != 1 { // this one never ends
			end(t, s, op, time.Now().Add(-time.Duration(10-i)*time.Minute))
		}
		ops = append(ops, op)
	}
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 7 * size}})
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep below the limit = %d, %v, want 0", n, err)
	}
	// which the metadata pass
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 6 * size}})
	if n, err := s.Sweep(t.Context()); n == 0 || err != nil {
		t.Errorf("Sweep above the limit = %d, %v, want some", n, err)
	}
	wantKept(t, s, ops, false, true, true, true, true, true)
}

// TestRetentionAfterClockWasAhead removes operations whose end is in the future first when too
// much is used, and not because of their age.
func TestRetentionAfterClockWasAhead(t *testing.T) {
	const size, ahead = 1 << 20, 20 // more than one batch removes
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	var ops []signing.Operation
	add := func(n int, size int, ended time.Duration) {
		for range n {
			op := create(t, s, fmt.Sprint(len(ops)), strings.Repeat("x", size))
			end(t, s, op, time.Now().Add(ended))
			ops = append(ops, op)
		}
	}
	add(ahead, size, 365*24*time.Hour)
	add(1, 1, 30*time.Second) // so little ahead that somebody may be about to fetch it
	add(2, 1, -10*time.Minute)
	add(1, 1, -2*time.Hour)
	kept := slices.Repeat([]bool{true}, len(ops))
	kept[len(ops)-1] = false
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 100 * size, Age: time.Hour}})
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want what is too old", n, err)
	}
	wantKept(t, s, ops, kept...)

	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: 2 * size}})
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatalf("NewUpload = %v, want room", err)
	}
	up.Discard()
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	copy(kept, make([]bool, ahead-1)) // the last of them is within the limit
	wantKept(t, s, ops, kept...)
}

// TestRetentionBySizeOfDisk cuts a limit that the disk does not hold to four fifths of the disk,
// and to less if more must stay free.
func TestRetentionBySizeOfDisk(t *testing.T) {
	const size = 1 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder, MinFree: -1, Retention: store.Retention{MaxBytes: 1 << 40}})
	var ops []signing.Operation
	for i := range 6 {
		op := create(t, s, fmt.Sprint(i), strings.Repeat("x", size))
		end(t, s, op, time.Now().Add(-time.Duration(10-i)*time.Minute))
		ops = append(ops, op)
	}
	s.DiskBytes(10 * size)
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("Sweep on a disk that holds it = %d, %v, want 0", n, err)
	}
	s.DiskBytes(6 * size * 10 / 8) // its four fifths are what the documents take; the metadata pass that
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep on a smaller disk = %d, %v, want 1", n, err)
	}
	wantKept(t, s, ops, false, true, true, true, true, true)
	s = reopen(t, s, store.Config{Folder: folder, MinFree: 4 * size, Retention: store.Retention{MaxBytes: 1 << 40}})
	s.DiskBytes(10 * size) // less a tenth and what must stay free, that is what the documents take
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep on a disk of which much must stay free = %d, %v, want 1", n, err)
	}
	wantKept(t, s, ops, false, false, true, true, true, true)
}

// reopen opens a folder again with another configuration.
func reopen(t *testing.T, s *store.Store, cfg store.Config) *store.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, cfg)
}

// TestRetentionBySizeOfMetadata sweeps as far below the limit as it should and no further, when
// documents are small. Then most bytes in use are sections in the database, whose file does not
// shrink when rows are deleted.
func TestRetentionBySizeOfMetadata(t *testing.T) {
	const operations, documents, section, limit = 300, 3, 20 << 10, 12 << 20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	var all sync.WaitGroup
	for worker := range 10 { // together, to share the fsyncs
		all.Go(func() {
			for i := worker; i < operations; i += 10 {
				op := create(t, s, fmt.Sprint(i), slices.Repeat([]string{strings.Repeat("x", 1<<10)}, documents)...)
				refs := make([]signing.Ref, documents)
				for k := range refs {
					refs[k] = signing.Ref{Operation: op.ID, Index: k}
				}
				if err := s.SavePrepared(t.Context(), preparedFor(refs, 10)); err != nil {
					t.Error(err)
				}
				sign(t, s, refs, 1<<10, section)
				end(t, s, op, time.Now().Add(time.Duration(i-operations)*time.Minute))
			}
		})
	}
	all.Wait()
	s = reopen(t, s, store.Config{Folder: folder, Retention: store.Retention{MaxBytes: limit}})
	if _, err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if used := s.Used(); used > limit*91/100 || used < limit*75/100 {
		t.Errorf("after a sweep %d bytes are in use of %d allowed, want a little less than 90 %%", used, limit)
	}
}

// TestSweepShrinksTheDatabase uses the space of removed operations again or gives it back.
func TestSweepShrinksTheDatabase(t *testing.T) {
	s := open(t, store.Config{Retention: store.Retention{Age: time.Hour}})
	for i := range 3 {
		op := create(t, s, fmt.Sprint(i), make([]string, 1000)...)
		failed := make([]signing.DocumentResult, 1000)
		for k := range failed {
			failed[k] = signing.DocumentResult{
				Ref:     signing.Ref{Operation: op.ID, Index: k},
				Failure: &signing.Failure{Detail: strings.Repeat("x", 4000)},
			}
		}
		if err := s.FinishDocuments(t.Context(), failed); err != nil {
			t.Fatal(err)
		}
		end(t, s, op, time.Now().Add(-2*time.Hour))
	}
	before, _, err := s.Pages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(t.Context()); n != 3 || err != nil {
		t.Fatalf("Sweep = %d, %v, want 3", n, err)
	}
	after, free, err := s.Pages(t.Context())
	if err != nil || before < 3000 || after > before/2 || free > 1024 {
		t.Errorf("pages = %d, then %d with %d free, %v, want most given back", before, after, free, err)
	}
}

// TestDiskStaysBounded checks the promise of README.md: payload, a little for each document, and a
// fixed amount. It measures at every step, with prepared values and sections of the largest usual
// size, in the chunks of the worker.
func TestDiskStaysBounded(t *testing.T) {
	const documents, size, prepared, section = 600, 10 << 10, 10 << 10, 20 << 10
	const bound = documents*size*105/100 + documents*(40<<10) + 16<<20
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	peak := int64(0)
	look := func() { peak = max(peak, diskUsage(t, folder)) }
	contents := make([]string, documents)
	for i := range contents {
		contents[i] = strings.Repeat("x", size)
	}
	op := create(t, s, "r", contents...)
	look()
	var refs []signing.Ref
	for i := range documents {
		refs = append(refs, signing.Ref{Operation: op.ID, Index: i})
	}
	if err := s.SavePrepared(t.Context(), preparedFor(refs, prepared)); err != nil { // all at once, as nobody should
		t.Fatal(err)
	}
	look()
	for from := 0; from < documents; from += 50 {
		sign(t, s, refs[from:from+50], size, section)
		look()
	}
	if peak > bound {
		t.Errorf("state folder held %d bytes, want at most %d", peak, bound)
	}
	if wal, err := os.Stat(filepath.Join(folder, "metadata.db-wal")); err != nil || wal.Size() > 9<<20 {
		t.Errorf("WAL = %v, %v, want at most 9 MiB", wal.Size(), err)
	}
	t.Logf("peak %d KiB, payload %d KiB, allowed %d KiB", peak>>10, documents*size>>10, bound>>10)
}

// sign takes prepared documents to signed, with all shapes in turn.
func sign(t *testing.T, s signing.Store, refs []signing.Ref, documentSize, section int) {
	t.Helper()
	call := fmt.Sprint(refs[0])
	values := make([][]byte, len(refs))
	results := make([]signing.DocumentResult, len(refs))
	for i, ref := range refs {
		values[i] = make([]byte, 256)
		results[i] = signedAs(ref, documentSize, make([]byte, section))
	}
	err := errors.Join(s.BeginCall(t.Context(), signing.CallRecord{ID: call, Credential: "credential", Refs: refs}),
		s.EndCall(t.Context(), call, values), s.FinishDocuments(t.Context(), results))
	if err != nil {
		t.Fatal(err)
	}
}

func preparedFor(refs []signing.Ref, size int) []signing.PreparedDocument {
	docs := make([]signing.PreparedDocument, len(refs))
	for i, ref := range refs {
		docs[i] = signing.PreparedDocument{
			Ref:      ref,
			Prepared: signing.Prepared{Digest: make([]byte, 32), State: make([]byte, size)},
		}
	}
	return docs
}

// diskUsage is the space allocated for everything in a folder, as du counts it.
func diskUsage(t *testing.T, folder string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		sum += allocated(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
