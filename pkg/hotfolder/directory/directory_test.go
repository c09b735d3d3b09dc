//go:build linux

package directory_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/storagetest"
)

// folders is a work folder with the three folders of a client.
type folders struct {
	work string
	poll bool
	flat bool
}

func newFolders(t *testing.T, poll bool) *folders {
	t.Helper()
	f := &folders{work: t.TempDir(), poll: poll}
	for _, name := range []string{"in", "out", "backup"} {
		if err := os.Mkdir(filepath.Join(f.work, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *folders) config(ordinal int) directory.Config {
	return directory.Config{Work: f.work, Input: "/in", Output: "/out", Backup: "/backup", Ordinal: ordinal,
		Poll: f.poll, Flat: f.flat, Log: logr.Discard()}
}

func (f *folders) Open(t *testing.T, ordinal int) hotfolder.Storage {
	t.Helper()
	s, err := directory.Open(f.config(ordinal))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *folders) path(elements ...string) string {
	return filepath.Join(append([]string{f.work}, elements...)...)
}

func (f *folders) Put(t *testing.T, name, content string) {
	t.Helper()
	write(t, f.path("in", name), content)
}

// write replaces a file by a new one, so that its version is always another one.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func (f *folders) Input(t *testing.T) map[string]string  { return visible(t, f.path("in")) }
func (f *folders) Output(t *testing.T) map[string]string { return visible(t, f.path("out")) }
func (f *folders) Backup(t *testing.T) map[string]string { return visible(t, f.path("backup")) }

// visible reads a folder without what is hidden.
func visible(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".signstash":
			return filepath.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, folder+"/")] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (f *folders) RemoveOutput(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(f.path("out", path)); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Dir(f.path("out", path))) // if it is empty
}

func (f *folders) Names() []string {
	return []string{"line\nbreak.pdf", "\xff\xfe not UTF-8.xml", strings.Repeat("n", 251) + ".pdf",
		"Rechnung Nr. 1 (ä).pdf", "..x", "-rf", "a\\b", "$(x)`;'\"", " ", "0-0-000000000000000000000000-x"}
}

func TestStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Folders { return newFolders(t, false) })
}

func TestPolledStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Folders { return newFolders(t, true) })
}
