package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cms runs all checks on a .p7m or .p7s file that signs original.
func (v *Verifier) cms(ctx context.Context, r *Report, original, signed string) {
	if !installed("openssl") {
		return
	}
	r.add("openssl", v.opensslCAdES(ctx, original, signed))
}

// opensslCAdES verifies all signatures in a CMS file with OpenSSL, the chains of their certificates
// to the CA, and the attribute that names the signing certificate. The content must be original.
func (v *Verifier) opensslCAdES(ctx context.Context, original, signed string) string {
	dir, err := os.MkdirTemp("", "verify-cades-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	content := filepath.Join(dir, "content")
	args := []string{"cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", signed, "-CAfile", v.ca,
		"-purpose", "any", "-out", content}
	if isDetached(signed) {
		args = append(args, "-content", original)
	}
	if out, err := exec.CommandContext(ctx, "openssl", args...).CombinedOutput(); err != nil {
		return fmt.Sprintf("%v: %s", err, strings.Join(strings.Fields(string(out)), " "))
	}
	want, err := os.ReadFile(original)
	if err != nil {
		return err.Error()
	}
	if got, err := os.ReadFile(content); err != nil || !bytes.Equal(got, want) {
		return "the content is not the original"
	}
	return ""
}

// isDetached reports whether the name of a CMS file says that it does not contain its content.
func isDetached(signed string) bool { return strings.EqualFold(filepath.Ext(signed), ".p7s") }
