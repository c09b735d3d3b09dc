package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// shapeOf is how the signed document at a position of an operation is joined.
func shapeOf(index int) formattest.Shape { return formattest.Shapes[index%len(formattest.Shapes)] }

// signedAs is the result of a document with the shape of its position. size is the document's, in
// bytes.
func signedAs(ref signing.Ref, size int, section []byte) signing.DocumentResult {
	pieces := shapeOf(ref.Index).Pieces(int64(size), int64(len(section)))
	return signing.DocumentResult{Ref: ref, Section: section, Pieces: pieces}
}

// readJoined reads a signed document.
func readJoined(ctx context.Context, s signing.Store, d signing.Document) ([]byte, error) {
	section, pieces, err := s.OpenSection(ctx, d.Ref)
	if err != nil {
		return nil, err
	}
	defer func() { _ = section.Close() }()
	original, err := s.OpenFile(ctx, d.Operation, d.Content)
	if err != nil {
		return nil, err
	}
	defer func() { _ = original.Close() }()
	joined, err := signing.Join(original, section, pieces)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
}

// shapedFolder is a state folder with signed documents of every shape, with sections in the
// database (operation small) and in the file (operation large).
type shapedFolder struct {
	path         string
	small, large signing.Operation
	contents     []string
	sections     map[signing.ID][]byte
}

func newShapedFolder(t *testing.T) *shapedFolder {
	t.Helper()
	f := &shapedFolder{path: t.TempDir()}
	for i, shape := range formattest.Shapes {
		f.contents = append(f.contents, string(shape.Original(fmt.Appendf(nil, "content of document %d", i))))
	}
	s := open(t, store.Config{Folder: f.path})
	f.small, f.large = create(t, s, "small", f.contents...), create(t, s, "large", f.contents...)
	f.sections = map[signing.ID][]byte{
		f.small.ID: []byte("a section of the database"),
		f.large.ID: bytes.Repeat([]byte("section "), 20_000),
	}
	for id, section := range f.sections {
		f.finish(t, s, id, section)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// finish signs all documents of an operation and ends it.
func (f *shapedFolder) finish(t *testing.T, s signing.Store, id signing.ID, section []byte) {
	t.Helper()
	call := signing.CallRecord{ID: id.String(), Credential: "credential"}
	var results []signing.DocumentResult
	for i, content := range f.contents {
		ref := signing.Ref{Operation: id, Index: i}
		call.Refs = append(call.Refs, ref)
		results = append(results, signedAs(ref, len(content), section))
	}
	end := signing.StatusChange{Status: signing.StatusExecuted, Ended: f.small.Created}
	for _, step := range []func() error{
		func() error { return s.SavePrepared(t.Context(), preparedFor(call.Refs, 10)) },
		func() error { return s.BeginCall(t.Context(), call) },
		func() error { return s.EndCall(t.Context(), call.ID, make([][]byte, len(call.Refs))) },
		func() error { return s.FinishDocuments(t.Context(), results) },
		func() error { return s.SetStatus(t.Context(), id, signing.StatusPending, end) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// refused wants OpenSection of a document to fail as altered, and the others to be delivered. It
// wants Documents to return all of them.
func (f *shapedFolder) refused(t *testing.T, s signing.Store, what string, ref signing.Ref) {
	t.Helper()
	for id, section := range f.sections {
		docs, err := s.Documents(t.Context(), id, 0, 100)
		if err != nil || len(docs) != len(f.contents) {
			t.Fatalf("%s: Documents = %d, %v, want %d", what, len(docs), err, len(f.contents))
		}
		for i, d := range docs {
			got, err := readJoined(t.Context(), s, d)
			if d.Ref == ref {
				if err == nil || signing.KindOf(err) != signing.KindAltered {
					t.Errorf("%s: signed document %v = %.40q, %v, want kind %q", what, ref, got, err, signing.KindAltered)
				}
				continue
			}
			want := shapeOf(i).Joined([]byte(f.contents[i]), section)
			if err != nil || !bytes.Equal(got, want) || d.SignedSize() != int64(len(want)) {
				t.Errorf("%s: signed document %v = %d of %d bytes, %v, want %d",
					what, d.Ref, len(got), d.SignedSize(), err, len(want))
			}
		}
	}
}

// checkNames wants signctl's check to name a document with a fault, and no other.
func (f *shapedFolder) checkNames(t *testing.T, what string, ref signing.Ref, fault string) {
	t.Helper()
	r, err := store.Check(t.Context(), f.path)
	want := fmt.Sprintf("operation %s document %d: %s", ref.Operation, ref.Index, fault)
	if err != nil || len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0], want) {
		t.Errorf("%s: Check = %q, %v, want %q", what, r.Faults, err, want)
	}
}

// row is the condition for a document's row in progress or sections.
func row(ref signing.Ref) string {
	return fmt.Sprintf("id = %d", int64(ref.Operation)+int64(ref.Index+1)*1024)
}

// TestShapesStored: signed documents of every shape are delivered after the store was opened again,
// and Check finds no fault. Only lists that do not append are stored.
func TestShapesStored(t *testing.T) {
	f := newShapedFolder(t)
	for range 2 {
		s := open(t, store.Config{Folder: f.path})
		f.refused(t, s, "nothing changed", signing.Ref{})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := store.Check(t.Context(), f.path); err != nil || len(r.Faults) > 0 {
			t.Errorf("Check = %q, %v, want no fault", r.Faults, err)
		}
	}
	for i := range f.contents {
		want := 1
		if shapeOf(i).Name == "append" {
			want = 0
		}
		query := "SELECT count(pieces) FROM progress WHERE " + row(signing.Ref{Operation: f.small.ID, Index: i})
		if got := queryInt(t, f.path, query); got != want {
			t.Errorf("%s: %d lists are stored, want %d", shapeOf(i).Name, got, want)
		}
	}
}

// TestDamagedList: a list of which the disk changed one byte, or that was lost or replaced, is
// refused. Check names the document. Other documents are delivered.
func TestDamagedList(t *testing.T) {
	f := newShapedFolder(t)
	for i, content := range f.contents {
		ref := signing.Ref{Operation: f.small.ID, Index: i}
		list := store.EncodePieces(shapeOf(i).Pieces(int64(len(content)), int64(len(f.sections[ref.Operation]))))
		changes := []string{"'1 original[0,1) new[0,2)'", "''", "x'00'"}
		for at := range list {
			damaged := []byte(list)
			damaged[at] ^= 1
			changes = append(changes, fmt.Sprintf("CAST(x'%x' AS TEXT)", damaged))
		}
		if list == "" {
			changes[1] = "'1 new[0,25)'"
		} else {
			changes = append(changes, "NULL")
		}
		s := open(t, store.Config{Folder: f.path})
		for _, change := range changes {
			alter(t, f.path, "UPDATE progress SET pieces = "+change+" WHERE "+row(ref))
			if _, _, err := s.OpenSection(t.Context(), ref); signing.KindOf(err) != signing.KindAltered || err == nil {
				t.Errorf("%s: OpenSection with the list %s = %v, want kind %q", shapeOf(i).Name, change, err, signing.KindAltered)
			}
		}
		f.refused(t, s, shapeOf(i).Name, ref)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		f.checkNames(t, shapeOf(i).Name, ref, "the bytes of its signature are not those that were stored")
		restored := "NULL"
		if list != "" {
			restored = "'" + list + "'"
		}
		alter(t, f.path, "UPDATE progress SET pieces = "+restored+" WHERE "+row(ref))
	}
}

// TestDamagedShapes: a changed byte of a section or of an original is found in every shape, in the
// database and in the file.
func TestDamagedShapes(t *testing.T) {
	f := newShapedFolder(t)
	total := 0
	for _, content := range f.contents {
		total += len(content)
	}
	original := int64(0) // where the document starts in the operation's file
	for i, content := range f.contents {
		name := shapeOf(i).Name
		small := signing.Ref{Operation: f.small.ID, Index: i}
		large := signing.Ref{Operation: f.large.ID, Index: i}
		file := filepath.Join(f.path, "operations", f.large.ID.String())
		at := int64(total + i*len(f.sections[f.large.ID]) + 100_000)
		for _, c := range []struct {
			what           string
			ref            signing.Ref
			damage, repair func() error
			fault          string
		}{
			{"small section", small, func() error {
				alter(t, f.path, "UPDATE sections SET section = CAST('b section of the database' AS BLOB) WHERE "+row(small))
				return nil
			}, func() error {
				alter(t, f.path, "UPDATE sections SET section = CAST('a section of the database' AS BLOB) WHERE "+row(small))
				return nil
			}, "the bytes of its signature are not those that were stored"},
			{"large section", large, func() error { return overwrite(file, at, "S") }, func() error {
				return overwrite(file, at, "s")
			}, "the bytes of its signature are not those that were stored"},
			{"original", large, func() error { return overwrite(file, original+int64(len(content))-1, "X") }, func() error {
				return overwrite(file, original+int64(len(content))-1, content[len(content)-1:])
			}, "its bytes are not those that were received"},
		} {
			what := name + ": " + c.what
			if err := c.damage(); err != nil {
				t.Fatal(err)
			}
			f.checkNames(t, what, c.ref, c.fault)
			if c.what != "original" { // pkg/signing compares originals while they are read
				s := open(t, store.Config{Folder: f.path})
				f.refused(t, s, what, c.ref)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.repair(); err != nil {
				t.Fatal(err)
			}
		}
		original += int64(len(content))
	}
}

// TestWrongListFromDisk: a list that breaks a rule is refused even if its digest is right.
func TestWrongListFromDisk(t *testing.T) {
	f := newShapedFolder(t)
	const index = 1 // "insert"
	ref := signing.Ref{Operation: f.small.ID, Index: index}
	section := f.sections[ref.Operation]
	size := len(f.contents[index])
	for name, list := range map[string]string{
		"another version":    fmt.Sprintf("2 original[0,%d) new[0,25)", size),
		"overlapping":        fmt.Sprintf("1 original[0,9) new[0,25) original[8,%d)", size),
		"out of range":       fmt.Sprintf("1 original[0,9) new[0,25) original[9,%d)", size+1),
		"out of order":       fmt.Sprintf("1 original[9,%d) new[0,25) original[0,9)", size),
		"section in part":    fmt.Sprintf("1 original[0,9) new[0,24) original[9,%d)", size),
		"section twice":      fmt.Sprintf("1 new[0,25) original[0,%d) new[0,25)", size),
		"too many":           fmt.Sprintf("1 original[0,1) new[0,1) original[1,2) new[1,2) original[2,%d) new[2,25)", size),
		"largest number":     fmt.Sprintf("1 original[0,%d) new[0,25)", math.MaxInt64),
		"negative number":    fmt.Sprintf("1 original[%d,%d) new[0,25)", math.MinInt64, size),
		"beyond 64 bits":     "1 original[0,99999999999999999999) new[0,25)",
		"another source":     fmt.Sprintf("1 original[0,%d) newer[0,25)", size),
		"much text":          "1 " + strings.Repeat("new[0,1) ", 1000),
		"leading zero":       fmt.Sprintf("1 original[00,%d) new[0,25)", size),
		"no pieces":          "1",
		"omits other bytes":  fmt.Sprintf("1 original[0,9) new[0,25) original[11,%d)", size),
		"list that must not": fmt.Sprintf("1 original[0,%d) new[0,25)", size), // NULL stands for it
	} {
		sum := sha256.Sum256(append(slices.Clone(section), list...))
		set := fmt.Sprintf("pieces = '%s', section_sha256 = x'%x'", list, sum)
		alter(t, f.path, "UPDATE progress SET "+set+" WHERE "+row(ref))
		s := open(t, store.Config{Folder: f.path})
		if name == "omits other bytes" { // only a reader of the original can find this
			if got, err := readJoined(t.Context(), s, document(t, s, ref)); err == nil {
				t.Errorf("%s: signed document = %q, want an error", name, got)
			}
		} else {
			f.refused(t, s, name, ref)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		f.checkNames(t, name, ref, "its list of pieces is wrong")
	}
}

// document reads one document.
func document(t *testing.T, s signing.Store, ref signing.Ref) signing.Document {
	t.Helper()
	docs, err := s.Documents(t.Context(), ref.Operation, ref.Index, 1)
	if err != nil || len(docs) != 1 {
		t.Fatalf("Documents = %d, %v, want 1", len(docs), err)
	}
	return docs[0]
}

// TestUpgradeOfSections: a section that a release with version 6 of the database stored follows its
// original, and a list without a digest is refused.
func TestUpgradeOfSections(t *testing.T) {
	folder, signed, _ := checkedFolder(t)
	alter(t, folder, versionSeven+versionSix+"PRAGMA user_version = 6")
	s := open(t, store.Config{Folder: folder})
	got, err := readJoined(t.Context(), s, document(t, s, signing.Ref{Operation: signed.ID}))
	if err != nil || string(got) != "first contentsection" {
		t.Errorf("signed document = %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := queryInt(t, folder, "PRAGMA user_version"); got < 7 {
		t.Errorf("the database has version %d: an earlier release would open it and ignore the lists", got)
	}
	ref := signing.Ref{Operation: signed.ID}
	alter(t, folder, "UPDATE progress SET pieces = '1 new[0,7)', section_sha256 = NULL WHERE "+row(ref))
	s = open(t, store.Config{Folder: folder})
	if _, _, err := s.OpenSection(t.Context(), ref); err == nil || signing.KindOf(err) != signing.KindAltered {
		t.Errorf("OpenSection with a list that has no digest = %v, want kind %q", err, signing.KindAltered)
	}
}

// FuzzList: a text that is accepted as a list is what the store writes for this list, and the list
// follows the rules.
func FuzzList(f *testing.F) {
	for _, shape := range formattest.Shapes {
		f.Add(store.EncodePieces(shape.Pieces(100, 50)), int64(100), int64(50))
	}
	f.Add("1 original[0,9223372036854775807) new[0,1)", int64(math.MaxInt64), int64(1))
	f.Add("1 new[-0,+5)", int64(0), int64(5))
	f.Add("1 original[0,5) ", int64(5), int64(0))
	f.Fuzz(func(t *testing.T, text string, original, section int64) {
		p, err := store.DecodePieces(text, original, section)
		if err != nil {
			return
		}
		if got := store.EncodePieces(p); got != text && text != "" {
			t.Errorf("DecodePieces(%q) = %v, which is written as %q", text, p, got)
		}
		if err := p.Check(original, section); err != nil {
			t.Errorf("DecodePieces(%q) = %v: %v", text, p, err)
		}
	})
}
