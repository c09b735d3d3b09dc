package pades

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestCorpus(t *testing.T) {
	dir := os.Getenv("SIGNSTASH_CORPUS")
	if dir == "" {
		dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.[pP]df"))
	if err != nil {
		t.Fatal(err)
	}
	out := os.Getenv("SIGNSTASH_OUT")
	k := rsaKey()
	if out != "" {
		os.WriteFile(filepath.Join(out, "ca.pem"), k.rootPEM, 0o644)
	}
	for _, path := range files {
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := trySign(t, &Format{}, k, original, signing.LevelB)
		if err != nil {
			t.Logf("%s: %v", filepath.Base(path), err)
			continue
		}
		t.Logf("%s: signed", filepath.Base(path))
		if out != "" {
			os.WriteFile(filepath.Join(out, filepath.Base(path)), signed, 0o644)
		}
	}
}
