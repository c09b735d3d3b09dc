//go:build linux

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

// hotWork is a work folder with the hot folder of one client service.
type hotWork struct{ folder string }

func newHotWork(t *testing.T) hotWork {
	t.Helper()
	w := hotWork{t.TempDir()}
	for _, name := range []string{"in", "out", "backup"} {
		if err := os.Mkdir(filepath.Join(w.folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.configure(t, "/out")
	return w
}

// configure writes the client services.
func (w hotWork) configure(t *testing.T, output string) {
	t.Helper()
	w.put(t, "client-services-config.json", `{"PRT.2": {"secret": "hush-hush"}, "PRT.1": {"secret": "hush-hush",
		"inputFolder": "/in", "backupFolder": "/backup", "outputFolder": "`+output+`"}}`)
}

// put writes a file below the work folder.
func (w hotWork) put(t *testing.T, path, content string) {
	t.Helper()
	path = filepath.Join(w.folder, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns the files of a folder by their path in it, without those of the instances.
func (w hotWork) files(t *testing.T, folder string) map[string]string {
	t.Helper()
	list := map[string]string{}
	root := filepath.Join(w.folder, folder)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Name() == ".signstash" {
			return errorOr(err, filepath.SkipDir)
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		list[strings.TrimPrefix(path, root+"/")] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (w hotWork) wantFiles(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	if got := w.files(t, folder); !maps.Equal(got, want) {
		t.Errorf("folder %s = %q, want %q", folder, got, want)
	}
}

// storage returns the folders as an instance uses them.
func (w hotWork) storage(t *testing.T, ordinal int) hotfolder.Storage {
	t.Helper()
	s, err := directory.Open(directory.Config{
		Work: w.folder, Input: "/in", Output: "/out", Backup: "/backup", Ordinal: ordinal, Poll: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// claim claims all files of the input folder.
func claim(t *testing.T, s hotfolder.Storage, run hotfolder.Run) []hotfolder.Claim {
	t.Helper()
	var entries []hotfolder.Entry
	var claims []hotfolder.Claim
	for e, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
		claims = append(claims, hotfolder.Claim{Run: run, Name: e.Name, Size: e.Size, Modified: e.Modified})
	}
	for _, err := range s.Claim(t.Context(), run, entries) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return claims
}

func (w hotWork) signctl(t *testing.T, args ...string) result {
	t.Helper()
	return signctl(t, "", append([]string{"hotfolder", "--work", w.folder}, args...)...)
}

const testRun = "0b9fd4ba-5a2c-4d50-a2f1-3f8f0c7a1f55"

func TestHotFolderCheck(t *testing.T) {
	w := newHotWork(t)
	r := w.signctl(t, "check")
	if r.code != exitOK || strings.Count(r.out, "OK PRT.1: ") != 15 {
		t.Errorf("check = %d, %s%s, want 15 good findings", r.code, r.out, r.err)
	}
	if !strings.Contains(r.out, "changes are seen through inotify") {
		t.Errorf("check of a local folder says %s", r.out)
	}
	for _, folder := range []string{"in", "out", "backup"} {
		if list, _ := os.ReadDir(filepath.Join(w.folder, folder)); len(list) > 0 {
			t.Errorf("check left %v in %s", list, folder)
		}
	}
	if err := os.Remove(filepath.Join(w.folder, "out")); err != nil {
		t.Fatal(err)
	}
	r = w.signctl(t, "check")
	if r.code != exitFailed || !strings.Contains(r.err, "FAULT PRT.1: output folder, folder: ") {
		t.Errorf("check of a missing folder = %d, %s", r.code, r.err)
	}
	w.configure(t, "/in/out")
	r = w.signctl(t, "check")
	if r.code != exitFailed || !strings.Contains(r.err, "are the same folder or one is inside the other") {
		t.Errorf("check of nested folders = %d, %s", r.code, r.err)
	}
}

// TestHotFolderList checks that each state of a file is listed, and that nothing is changed.
func TestHotFolderList(t *testing.T) {
	w := newHotWork(t)
	w.put(t, "in/claimed.pdf", "%PDF-1.7\n%%EOF")
	claim(t, w.storage(t, 3), hotfolder.Run{Owner: 3, ID: testRun})
	w.put(t, "in/good\n.pdf", "%PDF-1.7\n%%EOF")
	w.put(t, "in/good\n.pdf.sign.json", "{}")
	w.put(t, "in/torn.pdf", "%PDF-1.7\n")
	w.put(t, "in/empty", "")
	w.put(t, "in/upload.part", "ignored")
	if err := os.Symlink("/etc/passwd", filepath.Join(w.folder, "in/link")); err != nil {
		t.Fatal(err)
	}
	w.put(t, "backup/1/bad.pdf", "no PDF")
	w.put(t, "backup/1/bad.pdf.txt", "not-document: The content is not a PDF.\n")
	w.put(t, "backup/2/signed.pdf", "a document")
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	alive := filepath.Join(w.folder, "in/.signstash/3/alive")
	if err := os.Chtimes(alive, past, past); err != nil {
		t.Fatal(err)
	}
	r := w.signctl(t, "list", "-o", "json")
	var rows []hotFolderRow
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil || r.code != exitOK {
		t.Fatalf("list = %d, %v, %s%s", r.code, err, r.out, r.err)
	}
	var got []string
	for _, row := range rows {
		got = append(got, row.State+" "+row.Name+" "+strings.Repeat("I", row.Files))
	}
	slices.Sort(got)
	want := []string{"claimed " + testRun + " I", "failed 1 I", "incomplete empty I", "incomplete torn.pdf I",
		"irregular link I", "waiting  III"}
	if !slices.Equal(got, want) {
		t.Errorf("list = %q, want %q", got, want)
	}
	r = w.signctl(t, "list")
	for _, text := range []string{"not-document: The content is not a PDF.", "0 are being delivered", "symbolic link"} {
		if !strings.Contains(r.out, text) {
			t.Errorf("list lacks %q:\n%s", text, r.out)
		}
	}
	if info, err := os.Stat(alive); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("list has renewed the claims of an instance: %v, %v", info, err)
	}
}

// TestHotFolderListAbandoned checks that a folder with claims is listed that no client service has
// any more.
func TestHotFolderListAbandoned(t *testing.T) {
	w := newHotWork(t)
	w.put(t, "in/claimed.pdf", "%PDF-1.7\n%%EOF")
	claim(t, w.storage(t, 3), hotfolder.Run{Owner: 3, ID: testRun})
	w.put(t, "in2/waiting.pdf", "%PDF-1.7\n%%EOF")
	w.put(t, "client-services-config.json", `{"PRT.1": {"secret": "hush-hush",
		"inputFolder": "/in2", "backupFolder": "/backup", "outputFolder": "/out"}}`)
	r := w.signctl(t, "list")
	if r.code != exitOK || !strings.Contains(r.out, "abandoned") || !strings.Contains(r.out, "/in ") ||
		!strings.Contains(r.out, "1 runs, on which nobody works") {
		t.Errorf("list = %d, %s%s", r.code, r.out, r.err)
	}
	w.configure(t, "/out")
	if r = w.signctl(t, "list"); strings.Contains(r.out, "abandoned") {
		t.Errorf("list = %s", r.out)
	}
}

// TestHotFolderRetry checks that documents that failed go back with their sidecars, and that signed
// documents stay, also one whose name looks like that of a reason.
func TestHotFolderRetry(t *testing.T) {
	w := newHotWork(t)
	const reason = "provider-credentials: The service does not accept the PIN.\n"
	long := strings.Repeat("x", 255)
	w.put(t, "backup/1/a\nb.pdf", "A")
	w.put(t, "backup/1/a\nb.pdf.txt", reason)
	w.put(t, "backup/1/a\nb.pdf.sign.json", "{}")
	w.put(t, "backup/1/"+long, "long")
	w.put(t, "backup/1/"+hotfolder.ReasonName(long), reason)
	w.put(t, "backup/1/signed.pdf", "S")
	w.put(t, "backup/1/signed.pdf.txt", "A document with two\nlines.\n")
	w.put(t, "backup/1/taken.pdf", "old")
	w.put(t, "backup/1/taken.pdf.txt", reason)
	w.put(t, "backup/1/both.pdf", "B")
	w.put(t, "backup/1/both.pdf.txt", "also a document")
	w.put(t, "backup/1/both.pdf~1.txt", reason)
	w.put(t, "in/taken.pdf", "new")
	// What the run left in the output folder. A consumer has removed the text of the long name.
	w.put(t, "out/1/a\nb.pdf.txt", reason)
	w.put(t, "out/1/taken.pdf.txt", reason)
	w.put(t, "out/1/both.pdf.txt", "a signed document")
	w.put(t, "out/1/both.pdf~1.txt", reason)
	w.put(t, "out/1/signed.pdf", "SS")
	w.put(t, "out/2/a\nb.pdf.txt", reason)
	r := w.signctl(t, "retry", "1")
	if r.code != exitFailed || !strings.Contains(r.err, "STAYS PRT.1: taken.pdf: ") {
		t.Errorf("retry = %d, %s%s, want the file named whose name is taken", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in", map[string]string{
		"a\nb.pdf": "A", "a\nb.pdf.sign.json": "{}", long: "long", "taken.pdf": "new", "both.pdf": "B"})
	w.wantFiles(t, "backup", map[string]string{"1/signed.pdf": "S", "1/signed.pdf.txt": "A document with two\nlines.\n",
		"1/taken.pdf": "old", "1/taken.pdf.txt": reason, "1/both.pdf.txt": "also a document"})
	w.wantFiles(t, "out", map[string]string{"1/taken.pdf.txt": reason, "1/both.pdf.txt": "a signed document",
		"1/signed.pdf": "SS", "2/a\nb.pdf.txt": reason})
	for _, run := range []string{"2", "..", "../in", ".signstash"} {
		if r := w.signctl(t, "retry", run); r.code != exitFailed || !strings.Contains(r.err, "FAULT PRT.1: ") {
			t.Errorf("retry %s = %d, %s%s", run, r.code, r.out, r.err)
		}
	}
	r = w.signctl(t, "retry", "1", "--layout", "flat")
	if r.code != exitFailed || !strings.Contains(r.err, "layout flat") {
		t.Errorf("retry with the layout flat = %d, %s", r.code, r.err)
	}
}

// TestHotFolderRelease checks that claims of a stopped instance go back, and that those of a
// running instance need --force.
func TestHotFolderRelease(t *testing.T) {
	w := newHotWork(t)
	w.put(t, "in/a.pdf", "A")
	w.put(t, "in/a.pdf.sign.json", "{}")
	w.put(t, "in/b.pdf", "B")
	s := w.storage(t, 1)
	run := hotfolder.Run{Owner: 1, ID: testRun}
	claims := claim(t, s, run)
	if err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantFiles(t, "in", map[string]string{})
	r := w.signctl(t, "release", "1")
	if r.code != exitFailed || !strings.Contains(r.err, "may still run. Stop it, or use --force") {
		t.Errorf("release of a running instance = %d, %s%s", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in", map[string]string{})
	// The delivery of b.pdf has begun, and the instance is silent since long ago.
	b := claims[slices.IndexFunc(claims, func(c hotfolder.Claim) bool { return c.Name == "b.pdf" })]
	if err := s.Stage(t.Context(), b, 0, "b.pdf", strings.NewReader("signed")); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Deliver(t.Context(), run, []hotfolder.Claim{b}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(w.folder, "in/.signstash/1/alive"), past, past); err != nil {
		t.Fatal(err)
	}
	r = w.signctl(t, "release", "1")
	if r.code != exitFailed || !strings.Contains(r.err, "b.pdf: its delivery has begun") {
		t.Errorf("release = %d, %s%s, want the file named that stays", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in", map[string]string{"a.pdf": "A", "a.pdf.sign.json": "{}"})
	if _, err := s.Open(t.Context(), claims[0]); err == nil && claims[0].Name != "b.pdf" {
		t.Error("the instance still has a claim that was released")
	}
	// Another run of another instance, which may still run.
	claim(t, w.storage(t, 2), hotfolder.Run{Owner: 2, ID: "2"})
	if r = w.signctl(t, "release", "2", "--force"); r.code != exitOK || !strings.Contains(r.err, "WARNING PRT.1: ") {
		t.Errorf("release with --force = %d, %s%s", r.code, r.out, r.err)
	}
	w.wantFiles(t, "in", map[string]string{"a.pdf": "A", "a.pdf.sign.json": "{}"})
	if r = w.signctl(t, "release", "2"); r.code != exitOK || !strings.Contains(r.out, "has no claims") {
		t.Errorf("release of nothing = %d, %s%s", r.code, r.out, r.err)
	}
}

// TestHotFolderOtherUser checks that nothing is written for instances that could not use it.
func TestHotFolderOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder to another user")
	}
	w := newHotWork(t)
	w.storage(t, 0)
	if err := os.Chown(filepath.Join(w.folder, "in/.signstash"), 65532, -1); err != nil {
		t.Fatal(err)
	}
	w.put(t, "backup/1/a.pdf", "A")
	w.put(t, "backup/1/a.pdf.txt", "damaged: It is broken.\n")
	for _, args := range [][]string{{"check"}, {"retry", "1"}, {"release", "0"}} {
		if r := w.signctl(t, args...); r.code != exitFailed || !strings.Contains(r.err, "belongs to user 65532") {
			t.Errorf("%q = %d, %s%s", args, r.code, r.out, r.err)
		}
	}
	w.wantFiles(t, "in", map[string]string{})
}

func TestHotFolderUsage(t *testing.T) {
	w := newHotWork(t)
	for _, args := range [][]string{{}, {"watch"}, {"retry"}, {"check", "x"}, {"release", "-1"}, {"release", "x"},
		{"list", "-o", "xml"}, {"list", "--files", "0"}, {"list", "--layout", "deep"}} {
		if r := w.signctl(t, args...); r.code != exitUsage {
			t.Errorf("%q = %d, %s%s", args, r.code, r.out, r.err)
		}
	}
	r := w.signctl(t, "list", "--client", "PRT.2")
	if r.code != exitFailed || !strings.Contains(r.err, "has a hot folder") {
		t.Errorf("list without a hot folder = %d, %s", r.code, r.err)
	}
	r = w.signctl(t, "list", "--client", "PRT.3")
	if r.code != exitFailed || !strings.Contains(r.err, "no client service") {
		t.Errorf("list of an unknown client service = %d, %s", r.code, r.err)
	}
}
