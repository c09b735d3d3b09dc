package pades

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var update = flag.Bool("update", false, "rewrite golden files")

const refusalsFile = "testdata/refusals.txt"

// readRefusals returns the golden list: file name to kind and reason.
func readRefusals(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(refusalsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if name, reason, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			list[name] = reason
		}
	}
	return list
}

func writeRefusals(t *testing.T, list map[string]string) {
	t.Helper()
	var lines []string
	for name, reason := range list {
		lines = append(lines, name+"\t"+reason+"\n")
	}
	slices.Sort(lines)
	if err := os.WriteFile(refusalsFile, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// corpusFiles lists the samples of the repository and of the folder that SIGNSTASH_CORPUS names,
// including its subfolder pdf.
func corpusFiles(t testing.TB) []string {
	t.Helper()
	var files []string
	seen := map[string]bool{}
	more := os.Getenv("SIGNSTASH_CORPUS")
	dirs := []string{"testdata/corpus"}
	if more != "" {
		dirs = append(dirs, more, filepath.Join(more, "pdf"))
	}
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.[pP][dD][fF]"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if !seen[filepath.Base(path)] {
				seen[filepath.Base(path)] = true
				files = append(files, path)
			}
		}
	}
	if len(files) == 0 {
		t.Fatal("there are no samples")
	}
	return files
}

// others checks signed documents with independent programs.
type others struct {
	verifier *verify.Verifier
	ca       string
	dir      string
	script   bool // hack/verify/verify-pdf can run
}

func askOthers(t *testing.T, k *testKey) *others {
	t.Helper()
	if missing := verify.Missing(); len(missing) > 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("missing: %v", missing)
		}
		t.Logf("not asked, since not installed: %v", missing)
	}
	o := &others{dir: t.TempDir()}
	o.ca = filepath.Join(o.dir, "ca.pem")
	if err := os.WriteFile(o.ca, k.rootPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := verify.New(context.Background(), o.ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	o.verifier = v
	o.script = os.Getenv("SIGNSTASH_CORPUS") != "" && exec.Command("/usr/bin/python3", "-c", "import pikepdf").Run() == nil
	return o
}

// check checks a document to which one signature was added. args are passed to the script.
func (o *others) check(t *testing.T, original, signed []byte, args ...string) {
	t.Helper()
	before, after := filepath.Join(o.dir, "original.pdf"), filepath.Join(o.dir, "signed.pdf")
	for path, b := range map[string][]byte{before: original, after: signed} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r := o.verifier.File(context.Background(), before, after); r.Err() != nil {
		t.Errorf("others find fault: %v", r.Err())
	}
	if !o.script {
		return
	}
	cmd := exec.Command("/usr/bin/python3",
		append([]string{"../../hack/verify/verify-pdf", before, after, o.ca, "-q"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("verify-pdf: %v\n%s", err, out)
	}
}

// TestCorpus signs every sample, or refuses it with the reason in the golden list. A sample from
// another folder, which is not in the list, may be refused with any kind that concerns documents.
func TestCorpus(t *testing.T) {
	k := rsaKey()
	o := askOthers(t, k)
	want, got := readRefusals(t), map[string]string{}
	var table strings.Builder
	signed := 0
	for _, path := range corpusFiles(t) {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			original, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			out, err := trySign(t, &Format{}, k, original, signing.LevelB)
			took := time.Since(start).Round(10 * time.Microsecond)
			if err != nil {
				e := signing.AsError(err)
				got[name] = string(e.Kind) + "\t" + e.Detail
				fmt.Fprintf(&table, "%-80s %9d %10s  %s\n", name, len(original), took, e.Detail)
				checkRefusal(t, e)
				return
			}
			signed++
			fmt.Fprintf(&table, "%-80s %9d %10s  signed\n", name, len(original), took)
			checkSigned(t, out, signing.LevelB)
			o.check(t, original, out)
		})
	}
	t.Logf("%d signed\n%s", signed, table.String())
	if *update {
		for name, reason := range got {
			want[name] = reason
		}
		writeRefusals(t, want)
		return
	}
	for _, path := range corpusFiles(t) {
		name := filepath.Base(path)
		_, known := want[name]
		if got[name] != want[name] && (known || strings.HasPrefix(path, "testdata")) {
			t.Errorf("%s: refused for %q, want %q", name, got[name], want[name])
		}
	}
}

// checkRefusal checks that an error blames the document and gives a reason.
func checkRefusal(t *testing.T, e *signing.Error) {
	t.Helper()
	switch e.Kind {
	case signing.KindNotDocument,
		signing.KindDamaged,
		signing.KindEncrypted,
		signing.KindForbidden,
		signing.KindUnsupported,
		signing.KindTooComplex,
		signing.KindBroken:
	default:
		t.Errorf("refused with kind %q: %v", e.Kind, e)
	}
	if e.Detail == "" {
		t.Error("refused without a reason")
	}
}

// checkSigned checks with Verify, which reads all bytes again, that the newest signature is the one
// just made and is valid.
func checkSigned(t *testing.T, signed []byte, level signing.Level) *SignatureReport {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(signed), int64(len(signed)), VerifyOptions{})
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	for i := len(r.Signatures) - 1; i >= 0; i-- {
		s := &r.Signatures[i]
		if s.Timestamp {
			continue
		}
		if !s.Valid() || s.Level != level || s.Claimed != testTime {
			t.Errorf("report on the signature = %+v, want valid at level %s", *s, level)
		}
		if level == signing.LevelB && !s.Whole {
			t.Errorf("the signature covers %d of %d bytes", s.End, r.Size)
		}
		return s
	}
	t.Error("the report knows no signature")
	return nil
}
