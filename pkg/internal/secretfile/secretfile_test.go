package secretfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

func TestRead(t *testing.T) {
	cases := []struct{ name, content, want, wrong string }{
		{"plain", "s3cret", "s3cret", ""},
		{"line break of an editor", "s3cret\r\n", "s3cret", ""},
		{"blanks inside stay", " a b \n", " a b", ""},
		{"empty", "\n", "", "the file is empty"},
		{"too large", strings.Repeat("x", 64<<10+1), "", "larger than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := secretfile.Read(path)
			if got != c.want || (err != nil) != (c.wrong != "") {
				t.Fatalf("Read = %q, %v; want %q, error with %q", got, err, c.want, c.wrong)
			}
			if err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "xxx")) {
				t.Errorf("Read error = %v, want %q and nothing of the content", err, c.wrong)
			}
		})
	}
	if _, err := secretfile.Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("Read of no file = nil error")
	}
}
