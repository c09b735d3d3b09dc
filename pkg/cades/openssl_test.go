package cades

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
)

// openSSL returns the path of OpenSSL. Without it the test is skipped, or fails in CI.
func openSSL(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("openssl is not installed")
	}
	t.Skip("openssl is not installed")
	return ""
}

// files writes files into a new folder and returns their paths.
func files(t testing.TB, contents ...[]byte) []string {
	t.Helper()
	folder := t.TempDir()
	var paths []string
	for i, b := range contents {
		path := filepath.Join(folder, string(rune('a'+i)))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// askOpenSSL has OpenSSL verify a signed file, with the signing certificate that its attributes
// name.
func askOpenSSL(t testing.TB, p *trialpki.PKI, signed, original []byte, detached bool) {
	t.Helper()
	paths := files(t, signed, original, p.RootPEM(), nil)
	args := []string{"cms", "-verify", "-binary", "-cades", "-purpose", "any", "-inform", "DER", "-in", paths[0],
		"-CAfile", paths[2], "-out", paths[3]}
	if detached {
		args = append(args, "-content", paths[1])
	}
	if out, err := exec.Command(openSSL(t), args...).CombinedOutput(); err != nil {
		t.Errorf("openssl: %v: %s", err, out)
	}
	if got := must(os.ReadFile(paths[3])); string(got) != string(original) {
		t.Errorf("openssl: the content has %d bytes, want %d that are those of the original", len(got), len(original))
	}
}
