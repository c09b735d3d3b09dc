package xades

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var update = flag.Bool("update", false, "write the golden lists")

// edges is the folder with small documents, which belongs to pkg/xmlc14n.
const edges = "../xmlc14n/testdata/edges"

// maxJudgedBytes is the size up to which the judges see a document with the two transforms that use
// XPath. They take minutes for a document of 500 KB, because they build a set of all nodes.
const maxJudgedBytes = 100_000

// corpusFiles returns the XML files of a folder.
func corpusFiles(t testing.TB, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.[xX][mM][lL]"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no documents", folder)
	}
	return files
}

// TestCorpus signs every document with every transform, or refuses it for the reason in the golden
// list.
func TestCorpus(t *testing.T) {
	j := startJudges(t)
	checkCorpus(t, j, "testdata/refusals-edges.txt", corpusFiles(t, edges))
	if more := os.Getenv("SIGNSTASH_CORPUS"); more != "" {
		checkCorpus(t, j, "testdata/refusals-corpus.txt", corpusFiles(t, filepath.Join(more, "xml")))
	}
}

func checkCorpus(t *testing.T, j *judges, golden string, files []string) {
	t.Helper()
	var refused []string
	signatures := 0
	for _, path := range files {
		doc, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, transform := range []string{"ENVELOPED", "XPATH", "XPATH2_FILTER"} {
			name := filepath.Base(path)
			signed, err := sign(t, doc, &signing.AdvancedSignature{SignatureTransform: transform})
			if err != nil {
				if e := signing.AsError(err); transform == "ENVELOPED" {
					refused = append(refused, fmt.Sprintf("%s: %s: %s", name, e.Kind, e.Detail))
				}
				continue
			}
			signatures++
			if transform == "ENVELOPED" || len(signed) <= maxJudgedBytes {
				j.check(t, name+" "+transform, signed)
			}
			keep(t, name+"."+transform, signed)
		}
	}
	t.Logf("%d documents, %d signatures, %d documents refused", len(files), signatures, len(refused))
	checkGolden(t, golden, refused)
}

// keep writes a signed document into the folder that SIGNSTASH_SIGNED names, for other judges.
func keep(t *testing.T, name string, signed []byte) {
	t.Helper()
	folder := os.Getenv("SIGNSTASH_SIGNED")
	if folder == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name), signed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkGolden compares lines with a golden list.
func checkGolden(t *testing.T, golden string, lines []string) {
	t.Helper()
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", golden, got, want)
	}
}
