package bucket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// largeBytes is the size of a document that needs three parts and many ranges.
const largeBytes = 20<<20 + 12345

// largeText returns a content in which no two parts are alike.
func largeText() string {
	random := rand.NewChaCha8([32]byte{1})
	data := make([]byte, largeBytes)
	_, _ = random.Read(data)
	return string(data)
}

// straight passes requests on.
func straight(next http.Handler) http.Handler { return next }

// TestLargeFile takes a large file through all steps, in parts.
func TestLargeFile(t *testing.T) {
	for kind, fresh := range kinds {
		t.Run(kind, func(t *testing.T) { largeFile(t, fresh(t, straight)) })
	}
}

// TestLargeFileOnServerVersitygw lets a real server copy the parts.
func TestLargeFileOnServerVersitygw(t *testing.T) {
	largeFile(t, newS3Folders(versitygw(t), ""))
}

// largeFile signs a large file and compares what arrives.
func largeFile(t *testing.T, f folders) {
	t.Helper()
	content := largeText()
	f.Put(t, "a.pdf", content)
	folder := f.folder(t, 0)
	run := hotfolder.Run{ID: "run"}
	entry, err := folder.Stat(t.Context(), "a.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(folder.Claim(t.Context(), run, []hotfolder.Entry{entry})...); err != nil {
		t.Fatalf("Claim = %v", err)
	}
	for c, err := range folder.Claimed(t.Context(), run) {
		if err != nil {
			t.Fatal(err)
		}
		file, err := folder.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := folder.Stage(t.Context(), c, 0, "signed.pdf", io.NewSectionReader(file, 0, file.Size())); err != nil {
			t.Fatalf("Stage = %v", err)
		}
		if len(f.Output(t)) != 0 {
			t.Error("a staged file is visible")
		}
		if err := errors.Join(folder.Deliver(t.Context(), run, []hotfolder.Claim{c})...); err != nil {
			t.Fatalf("Deliver = %v", err)
		}
		if err := errors.Join(folder.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...); err != nil {
			t.Fatalf("Backup = %v", err)
		}
	}
	if got := f.Output(t)["run/signed.pdf"]; got != content {
		t.Errorf("output has %d bytes, want the %d bytes of the input", len(got), len(content))
	}
	if got := f.Backup(t)["run/a.pdf"]; got != content {
		t.Errorf("backup has %d bytes, want the %d bytes of the input", len(got), len(content))
	}
}

// TestReadsAnywhere reads ranges of a file in an arbitrary order, across windows and at its end.
func TestReadsAnywhere(t *testing.T) {
	f := newS3Folders(fakeS3(t, conditions), "")
	content := largeText()[:3<<20+17]
	f.Put(t, "a.pdf", content)
	folder := f.folder(t, 0)
	run := hotfolder.Run{ID: "run"}
	entry, err := folder.Stat(t.Context(), "a.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(folder.Claim(t.Context(), run, []hotfolder.Entry{entry})...); err != nil {
		t.Fatal(err)
	}
	file, err := folder.Open(t.Context(), hotfolder.Claim{Run: run, Name: "a.pdf"})
	if err != nil {
		t.Fatal(err)
	}
	spans := [][2]int{{1<<20 - 5, 10}, {0, 1}, {3 << 20, 17}, {2<<20 - 1, 1<<20 + 18}, {500, 0}, {0, len(content)}}
	for _, span := range spans {
		p := make([]byte, span[1])
		n, err := file.ReadAt(p, int64(span[0]))
		if n != len(p) || err != nil && !errors.Is(err, io.EOF) || string(p) != content[span[0]:span[0]+span[1]] {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v", span[1], span[0], n, err)
		}
	}
	if n, err := file.ReadAt(make([]byte, 10), int64(len(content)-4)); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt across the end = %d, %v, want 4, EOF", n, err)
	}
	// The claimed version is changed from outside.
	f.Put(t, ".signstash/runs/run/original/a.pdf", strings.Repeat("x", len(content)))
	if _, err := file.ReadAt(make([]byte, 10), 1<<20); !errors.Is(err, hotfolder.ErrChanged) {
		t.Errorf("ReadAt of a changed object = %v, want ErrChanged", err)
	}
	if err := file.Unchanged(); !errors.Is(err, hotfolder.ErrChanged) {
		t.Errorf("Unchanged = %v, want ErrChanged", err)
	}
}

// TestListPages lists more objects than a page has, with a folder and the placeholder of a console.
func TestListPages(t *testing.T) {
	for kind, fresh := range kinds {
		t.Run(kind, func(t *testing.T) {
			f := fresh(t, straight)
			files := map[string]int{"s3": 1100, "gs": 10, "azblob": 10}[kind] // a page has 1,000 keys, or 3 in our fakes
			f.Put(t, "", "")
			f.Put(t, "folder/deeper.pdf", "x")
			for i := range files {
				f.Put(t, fmt.Sprintf("%04d.pdf", i), "x")
			}
			seen := make(map[string]string)
			for e, err := range f.folder(t, 0).List(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				seen[e.Name] = e.Irregular
			}
			if len(seen) != files+1 || seen["folder"] != "folder" || seen["0000.pdf"] != "" {
				t.Errorf("List has %d names, folder = %q, want %d names", len(seen), seen["folder"], files+1)
			}
		})
	}
}

// TestEmptyFiles moves an empty file to the backup folder and shows an empty result.
func TestEmptyFiles(t *testing.T) {
	for kind, fresh := range kinds {
		t.Run(kind, func(t *testing.T) {
			f := fresh(t, straight)
			f.Put(t, "a.pdf", "")
			folder, run := f.folder(t, 0), hotfolder.Run{ID: "run"}
			entry, err := folder.Stat(t.Context(), "a.pdf")
			if err != nil {
				t.Fatal(err)
			}
			c := hotfolder.Claim{Run: run, Name: "a.pdf"}
			err = errors.Join(errors.Join(folder.Claim(t.Context(), run, []hotfolder.Entry{entry})...),
				folder.Stage(t.Context(), c, 0, "a.done", bytes.NewReader(nil)))
			for range 2 { // the second call must not show it again
				err = errors.Join(err, errors.Join(folder.Deliver(t.Context(), run, []hotfolder.Claim{c})...))
			}
			err = errors.Join(err, errors.Join(folder.Backup(t.Context(), run, []hotfolder.BackupFile{{Claim: c}})...))
			if err != nil {
				t.Fatal(err)
			}
			if out, backup := f.Output(t), f.Backup(t); len(out) != 1 || len(backup) != 1 {
				t.Errorf("output = %v, backup = %v, want one file each", out, backup)
			}
		})
	}
}

// TestLongName refuses a file whose keys would be too long, and leaves it in the input folder.
func TestLongName(t *testing.T) {
	f := newS3Folders(fakeS3(t, conditions), "")
	name := strings.Repeat("n", 1000) + ".pdf"
	f.Put(t, name, "content")
	folder := f.folder(t, 0)
	entry, err := folder.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(folder.Claim(t.Context(), hotfolder.Run{ID: "run"}, []hotfolder.Entry{entry})...)
	wants(t, fmt.Sprint(err), "the name has 1004 bytes")
	if in := f.Input(t); len(in) != 1 {
		t.Errorf("input folder has %d files, want the file", len(in))
	}
}
