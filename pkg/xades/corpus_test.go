package xades

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
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

// TestCorpus signs every document with every transform and two canonical forms, and with the
// algorithms in turn, or refuses it for the reason in the golden list.
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
	keys := slices.Sorted(maps.Keys(testKeys()))
	for _, path := range files {
		doc := must(os.ReadFile(path))
		name := filepath.Base(path)
		if _, err := sign(t, doc, nil); err != nil {
			e := signing.AsError(err)
			refused = append(refused, fmt.Sprintf("%s: %s: %s", name, e.Kind, e.Detail))
		}
		for _, transform := range []string{"ENVELOPED", "XPATH", "XPATH2_FILTER"} {
			for _, form := range []string{"EXCLUSIVE", "INCLUSIVE"} {
				key := keys[signatures%len(keys)]
				a := &signing.AdvancedSignature{SignatureTransform: transform, CanonicalTransform: form}
				signed, err := signWith(t, doc, a, testKeys()[key], &baseline)
				if err != nil {
					continue
				}
				signatures++
				what := name + " " + transform + " " + form + " " + key
				if transform == "ENVELOPED" || len(signed) <= maxJudgedBytes {
					j.check(t, what, signed)
					askScript(t, what, signed, doc, signing.LevelB, nil)
				}
				keep(t, strings.ReplaceAll(what, " ", "."), signed)
			}
		}
	}
	t.Logf("%d documents, %d signatures, %d documents refused", len(files), signatures, len(refused))
	checkGolden(t, golden, refused)
}

// askScript has the script verify-xades in the folder that SIGNSTASH_VERIFY names judge a document.
// Its judges are the JDK, xmlsec1 and OpenSSL.
func askScript(t *testing.T, name string, signed, original []byte, level signing.Level, p *trialpki.PKI) {
	t.Helper()
	folder := os.Getenv("SIGNSTASH_VERIFY")
	// The script leaves out xmlsec1, which does not know PSS, only if it can read the document's
	// bytes.
	if folder == "" || !bytes.Contains(signed, []byte("MGF1")) && bytes.Contains(ascii(signed), []byte("MGF1")) {
		return
	}
	args := []string{"--level", strings.TrimPrefix(string(level), "B-")}
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if p != nil {
		ca := write("ca.pem", p.RootPEM())
		args = append(args, "--ca", ca, "--tsa-ca", ca)
	}
	args = append(args, write("original.xml", original), write("signed.xml", signed))
	out, err := exec.Command(filepath.Join(folder, "verify-xades"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: verify-xades: %v\n%s", name, err, out)
	}
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
