package pades

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestVisibleOverCorpus signs all samples that can be signed visibly. qpdf must not report more
// faults than for the original.
func TestVisibleOverCorpus(t *testing.T) {
	qpdf, err := exec.LookPath("qpdf")
	if err != nil {
		t.Skip("qpdf is not installed")
	}
	out := os.Getenv("SIGNSTASH_OUT")
	if out != "" {
		if err := os.WriteFile(filepath.Join(out, "ca.pem"), rsaKey().rootPEM, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range corpusFiles(t) {
		original, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signVisible(t, original, func(v *signing.VisibleSignature) { v.LocationValue = "page=1,x=20,y=30" })
		if err != nil {
			if _, plain := trySign(t, &Format{}, rsaKey(), original, signing.LevelB); plain == nil {
				t.Logf("%s: refused only because it is visible: %v", filepath.Base(path), err)
			}
			continue
		}
		to := filepath.Join(t.TempDir(), "signed.pdf")
		if out != "" {
			to = filepath.Join(out, "visible-"+filepath.Base(path))
		}
		if err := os.WriteFile(to, signed, 0o600); err != nil {
			t.Fatal(err)
		}
		after := exec.Command(qpdf, "--check", to).Run()
		if after == nil {
			continue
		}
		if before := exec.Command(qpdf, "--check", path).Run(); fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("%s: qpdf says %v of the signed file, %v of the original", filepath.Base(path), after, before)
		}
	}
}
