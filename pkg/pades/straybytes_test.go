package pades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func readCase(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestForgedTail tests that a signed document with a forged page appended is neither called valid
// nor signed.
func TestForgedTail(t *testing.T) {
	file := readCase(t, "forged-tail.pdf")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(readCase(t, "forged-tail-ca.pem")) {
		t.Fatal("the authority cannot be read")
	}
	s := report(t, file, VerifyOptions{Roots: roots}).Signatures[0]
	if s.Valid() || !strings.Contains(strings.Join(s.Tampered, "\n"),
		"the bytes from offset 87882 belong to no revision") {
		t.Errorf("report = %+v, want the bytes from offset 87882", s)
	}
	_, err := trySign(t, &Format{}, rsaKey(), file, signing.LevelB)
	if e := signing.AsError(err); err == nil || e.Kind != signing.KindDamaged ||
		!strings.Contains(e.Detail, "87882") {
		t.Errorf("signed again: %v, want %s and the offset 87882", err, signing.KindDamaged)
	}
	if r := report(t, file[:87882], VerifyOptions{Roots: roots}); !r.Valid() {
		t.Errorf("without the forged bytes: %+v, want it to be valid", r.Signatures)
	}
}

// TestCasesRefused tests that files that other readers repair are refused with a clear reason.
func TestCasesRefused(t *testing.T) {
	for name, want := range map[string]string{
		"xref1.pdf":      "PDF is damaged: its cross-reference table at byte 766 starts at object 1 instead of object 0",
		"annotsdict.pdf": "PDF is damaged: /Annots of page 1 is not an array",
	} {
		_, err := trySign(t, &Format{}, rsaKey(), readCase(t, name), signing.LevelB)
		if e := signing.AsError(err); err == nil || e.Kind != signing.KindDamaged || e.Detail != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestVerifyStray appends bytes that belong to no revision to a signed document, alone or together
// with an allowed revision.
func TestVerifyStray(t *testing.T) {
	const forged = "90 0 obj\n<</Type/Page>>\nendobj\n"
	file := signedForm(t)
	fill := func(file []byte) []byte { return revise(t, file, set(t, 10, "V", pdf.Text("2"))) }
	again := func(file []byte) []byte { return signRegardless(t, rsaKey(), file) }
	behind := func(file []byte, text string) []byte { return append(bytes.Clone(file), text...) }
	within := appendRevision(t, file, map[int]string{10: withEntry(bodyOf(t, file, 10), "/M(D:2026)")}, "", 0)
	for _, tt := range []struct {
		name  string
		file  []byte
		valid []bool // of each signature
	}{
		{"white space", behind(file, "\r\n \x00\x00"), []bool{true}},
		{"comment", behind(file, "% mailed\n"), []bool{true}},
		{"revision behind a comment", fill(behind(file, "% mailed\n")), []bool{true}},
		{"signed again behind white space", again(behind(file, "\n\n")), []bool{true, true}},
		{"objects", behind(file, forged), []bool{false}},
		{"text", behind(file, "text"), []bool{false}},
		{"objects, then a revision", fill(behind(file, forged)), []bool{false}},
		{"objects, then a signature", again(behind(file, forged)), []bool{false, true}},
		{"revision, then objects", behind(fill(file), forged), []bool{false}},
		{"signature, then objects", behind(again(file), forged), []bool{false, false}},
		{"objects of a revision", within, []bool{true}},
		{"objects in a revision", bytes.Replace(appendRevision(t, behind(file, strings.Repeat(" ", len(forged))),
			map[int]string{
				10: withEntry(bodyOf(t, file, 10), "/M(D:2026)")}, "", 0), []byte(strings.Repeat(" ", len(forged))),
			[]byte(forged), 1), []bool{false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, tt.file, VerifyOptions{})
			if len(r.Signatures) != len(tt.valid) {
				t.Fatalf("%d signatures, want %d", len(r.Signatures), len(tt.valid))
			}
			for i, want := range tt.valid {
				s := &r.Signatures[i]
				stray := strings.Contains(strings.Join(s.Tampered, "\n"), "belong to no revision")
				if s.Valid() != want || stray == want {
					t.Errorf("signature %d: valid = %v, want %v: %q", i+1, s.Valid(), want, s.Tampered)
				}
			}
		})
	}
}

// TestVerifyPadded tests that white space after a signature is harmless as long as readers find the
// end of the last revision. With more white space they rebuild the file, and may show objects that
// the signed revision contains but does not list.
func TestVerifyPadded(t *testing.T) {
	file := signedForm(t)
	found := 1024 - (len(file) - bytes.LastIndex(file, []byte("startxref")))
	for n, want := range map[int]bool{1: true, found: true, found + 1: false, 5000: false} {
		r := report(t, append(bytes.Clone(file), strings.Repeat(" ", n)...), VerifyOptions{})
		if r.Valid() != want {
			t.Errorf("%d blanks behind: valid = %v, want %v: %q", n, r.Valid(), want, r.Signatures[0].Tampered)
		}
	}
	padded := append(bytes.Clone(file), strings.Repeat(" ", 5000)...)
	if again := mustSign(t, &Format{}, rsaKey(), padded, signing.LevelB); !report(t, again, VerifyOptions{}).Valid() {
		t.Error("signed again behind 5000 blanks: not valid, want valid")
	}
}

// TestBytesBeforeHeader signs a document with bytes before its header if its offsets count these
// bytes. Otherwise it is refused, and the error gives their number.
func TestBytesBeforeHeader(t *testing.T) {
	file := string(onePage("", "").bytes())
	a := newAuthority(t, rsaKey())
	for _, before := range []string{" ", "\n", "mail header\r\n", strings.Repeat("x", 1000)} {
		counted := shifted(before, file)
		signed := mustSign(t, &Format{}, rsaKey(), []byte(counted), signing.LevelB)
		checkSigned(t, signed, signing.LevelB)
		checkPoppler(t, signed)
		checkSigned(t, mustSign(t, &Format{Timestamper: a, Revocation: a}, rsaKey(), []byte(counted), signing.LevelLTA),
			signing.LevelLTA)
		_, err := trySign(t, &Format{}, rsaKey(), []byte(before+file), signing.LevelB)
		want := fmt.Sprintf("PDF has %d bytes before its header, so it cannot be signed", len(before))
		if e := signing.AsError(err); err == nil || e.Kind != signing.KindUnsupported || e.Detail != want {
			t.Errorf("offsets do not count %d bytes: %v, want %q", len(before), err, want)
		}
	}
}

// shifted returns the file after other bytes, with offsets that count from the first of these
// bytes.
func shifted(before, file string) string {
	number := regexp.MustCompile(`\d{10} 00000 n|startxref\n\d+`)
	return before + number.ReplaceAllStringFunc(file, func(s string) string {
		if digits, ok := strings.CutPrefix(s, "startxref\n"); ok {
			n, _ := strconv.Atoi(digits)
			return fmt.Sprintf("startxref\n%d", n+len(before))
		}
		n, _ := strconv.Atoi(s[:10])
		return fmt.Sprintf("%010d%s", n+len(before), s[10:])
	})
}

// checkPoppler checks that poppler finds the signature and calls it valid.
func checkPoppler(t *testing.T, signed []byte) {
	t.Helper()
	if _, err := exec.LookPath("pdfsig"); err != nil {
		t.Log("not asked, since pdfsig is not installed")
		return
	}
	path := filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(path, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdfsig", "-nocert", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Signature is Valid.") {
		t.Errorf("pdfsig: %v\n%s", err, out)
	}
}

// offset formats an offset as a cross-reference table does.
func offset(n int) []byte { return fmt.Appendf(nil, "%010d", n) }
