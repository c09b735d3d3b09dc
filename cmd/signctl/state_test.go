package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestStateCheckNamesLostFiles checks that documents unknown to the database are listed, and that a
// database with lost entries is reported.
func TestStateCheckNamesLostFiles(t *testing.T) {
	folder := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"operations/2048", "lost/3072"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("a document"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func() (code int, out, errOut string) {
		var o, e strings.Builder
		code = run(t.Context(), []string{"state", "check", folder},
			streams{out: &o, err: &e, env: func(string) string { return "" }})
		return code, o.String(), e.String()
	}
	code, out, errOut := check()
	if code != 0 || !strings.Contains(out, "LOST operations/2048\nLOST lost/3072\n") {
		t.Errorf("state check = %d, %s%s, want both files named", code, out, errOut)
	}
	if err := os.Truncate(filepath.Join(folder, "metadata.db"), 0); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut = check(); code == 0 || !strings.Contains(errOut, "metadata.db is empty") {
		t.Errorf("state check of an empty database = %d, %s, want it named", code, errOut)
	}
}
