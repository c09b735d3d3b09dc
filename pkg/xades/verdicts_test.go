package xades

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestVerdicts judges the signatures that other programs made, and those of wrapped and altered
// documents. The golden list has a line for each.
func TestVerdicts(t *testing.T) {
	dir := os.Getenv("SIGNSTASH_CORPUS")
	if dir == "" {
		t.Skip("SIGNSTASH_CORPUS names no folder with documents")
	}
	var lines []string
	for _, path := range corpusFiles(t, filepath.Join(dir, "xml")) {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all, err := Verify(t.Context(), inMemory(doc), VerifyOptions{})
		if err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", filepath.Base(path), signing.AsError(err)))
		}
		for _, s := range all {
			lines = append(lines, fmt.Sprintf("%s: %s: covers %q: %s", filepath.Base(path), s.Verdict, s.Covers, s.Reason))
		}
	}
	checkGolden(t, "testdata/verdicts-corpus.txt", lines)
}
