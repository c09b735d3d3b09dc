//go:build !pkcs11 || !cgo

package pkcs11

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestWithoutTag(t *testing.T) {
	if _, err := OpenModule("/nowhere"); err == nil || !strings.Contains(err.Error(), "-tags pkcs11") {
		t.Errorf("OpenModule = %v, want an error that says how to build", err)
	}
	if _, err := new(Provider).Sign(t.Context(), signing.Call{}); signing.KindOf(err) != signing.KindConfiguration {
		t.Errorf("Sign = %v, want KindConfiguration", err)
	}
}

// TestWithTag runs the tests of the build with the tag, so that a plain `go test` runs all tests if
// cgo and SoftHSM are installed.
func TestWithTag(t *testing.T) {
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	for _, program := range []string{"go", compiler, "softhsm2-util"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed", program)
			}
			t.Skipf("%s is not installed", program)
		}
	}
	cmd := exec.Command("go", "test", "-tags", "pkcs11", "-count=1", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go test -tags pkcs11 = %v:\n%s", err, out)
	}
}
