package pades

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// largePage returns a document whose page has the given number of dictionaries in an object stream.
func largePage(t *testing.T, dictionaries int) []byte {
	t.Helper()
	page := "<</Type/Page/Parent 2 0 R/Annots 6 0 R/PieceInfo<</X<</Private[" + strings.Repeat(
		"<</A 1>>", dictionaries,
	) + "]>>>>>>"
	bodies := []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]/MediaBox[0 0 595 842]>>", page}
	var index, data strings.Builder
	for i, body := range bodies {
		fmt.Fprintf(&index, "%d %d ", i+1, data.Len())
		data.WriteString(body + " ")
	}
	var content bytes.Buffer
	z := zlib.NewWriter(&content)
	fmt.Fprint(z, index.String(), data.String())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	at := b.Len()
	fmt.Fprintf(&b, "4 0 obj\n<</Type/ObjStm/N 3/First %d/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream\nendobj\n",
		index.Len(), content.Len(), content.Bytes())
	annots := b.Len()
	fmt.Fprint(&b, "6 0 obj\n[]\nendobj\n")
	start := b.Len()
	rows := []byte{0, 0, 0, 255}
	for i := range bodies {
		rows = append(rows, 2, 0, 4, byte(i))
	}
	for _, offset := range []int{at, start, annots} {
		rows = append(rows, 1, byte(offset>>8), byte(offset), 0)
	}
	fmt.Fprintf(
		&b,
		"5 0 obj\n<</Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Length %d>>\nstream\n%s\nendstream\nendobj\n"+
			"startxref\n%d\n%%%%EOF\n",
		len(rows), rows, start,
	)
	return b.Bytes()
}

// TestSmallFileStaysSmall tests that a page that unpacks to several hundred times the size of the
// file does not make the section large. Other programs accept the signature, and a second one too.
func TestSmallFileStaysSmall(t *testing.T) {
	k := rsaKey()
	dir := t.TempDir()
	original := largePage(t, 30_000)
	once := mustSign(t, &Format{}, k, original, signing.LevelB)
	plain := mustSign(t, &Format{}, k, largePage(t, 1), signing.LevelB)
	if grown, usual := len(once)-len(original), len(plain)-len(largePage(t, 1)); grown > usual+8<<10 {
		t.Errorf("the section has %d bytes for a document of %d, want about the usual %d", grown, len(original), usual)
	}
	twice := mustSign(t, &Format{}, k, once, signing.LevelB)
	if missing := verify.Missing(); len(missing) > 0 {
		t.Skipf("not installed: %q", missing)
	}
	ca := filepath.Join(dir, "ca.pem")
	v := func() *verify.Verifier {
		if err := os.WriteFile(ca, k.rootPEM, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := verify.New(t.Context(), ca)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}()
	for i, pair := range [][2][]byte{{original, once}, {once, twice}} {
		before, after := filepath.Join(dir, "before.pdf"), filepath.Join(dir, "after.pdf")
		for path, content := range map[string][]byte{before: pair[0], after: pair[1]} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ask := v.File
		if i > 0 { // pdfsig trusts no certificate of a test a second time
			ask = v.Signature
		}
		if report := ask(t.Context(), before, after); report.Err() != nil {
			t.Errorf("signature %d: %v", i+1, report.Err())
		}
		for _, command := range [][]string{{"qpdf", "--check", after}, {"mutool", "info", after},
			{"pdfsig", "-nocert", after}} {
			wantQuiet(t, command)
		}
	}
}

// wantQuiet checks that a program reports no problem in a signed document.
func wantQuiet(t *testing.T, command []string) {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Logf("%s is not installed", command[0])
		return
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	text := strings.ToLower(string(out))
	for _, complaint := range []string{"warning", "error:", "repair", "invalid"} {
		if err != nil || strings.Contains(strings.ReplaceAll(text, "no syntax or stream encoding errors", ""), complaint) {
			t.Errorf("%q = %v: %s", command[:1], err, out)
			return
		}
	}
}

// TestCopyIsBounded tests that a document is refused before it is signed if a large object cannot
// be compressed, because the file is encrypted.
func TestCopyIsBounded(t *testing.T) {
	if _, err := exec.LookPath("qpdf"); err != nil {
		t.Skip("qpdf is not installed")
	}
	for dictionaries, want := range map[int]signing.Kind{1000: "", 60_000: signing.KindTooComplex} {
		dir := t.TempDir()
		plain, encrypted := filepath.Join(dir, "plain.pdf"), filepath.Join(dir, "encrypted.pdf")
		if err := os.WriteFile(plain, largePage(t, dictionaries), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(
			"qpdf", "--object-streams=generate", "--encrypt", "", "owner", "256", "--", plain, encrypted,
		).CombinedOutput()
		if err != nil {
			t.Fatalf("qpdf: %v: %s", err, out)
		}
		original, err := os.ReadFile(encrypted)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trySign(t, &Format{}, rsaKey(), original, signing.LevelB); (err != nil || want != "") &&
			(err == nil || signing.KindOf(err) != want) {
			t.Errorf("sign a page of %d dictionaries in %d bytes: %v, want kind %q", dictionaries, len(original), err, want)
		}
	}
}
