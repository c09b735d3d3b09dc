package main

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
)

// tool returns the path of a program, from the environment variable or from PATH. It skips the test
// if the program is not there.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed; %s may name it", name, variable)
	}
	return path
}

// runTool runs a program in the folder dir and returns its standard output.
func runTool(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), passwordVariable+"="+testPassword, "HOME="+t.TempDir())
	err := cmd.Run()
	t.Logf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	return stdout.String(), err
}

const testPassword = "a password of tests"

// TestWithoutCosign verifies the checksums with the commands that README.md gives to users.
func TestWithoutCosign(t *testing.T) {
	t.Parallel()
	openssl := tool(t, "OPENSSL", "openssl")
	s := smallRelease(t)
	dir := s.copyOf(t)
	public, err := s.key.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := os.ReadFile(filepath.Join(dir, build.SumsSignature))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	write(t, filepath.Join(outside, "cosign.pub"), string(public))
	write(t, filepath.Join(outside, "sig.der"), string(sig))
	args := []string{"dgst", "-sha256", "-verify", filepath.Join(outside, "cosign.pub"),
		"-signature", filepath.Join(outside, "sig.der")}
	if _, err := runTool(t, dir, openssl, append(args, build.SumsFile)...); err != nil {
		t.Errorf("openssl refuses the signature of the checksums: %v", err)
	}
	if _, err := runTool(t, dir, openssl, append(args, build.ProvenanceFile)...); err == nil {
		t.Error("openssl accepts the signature for another file")
	}
	if _, err := runTool(t, dir, tool(t, "SHA256SUM", "sha256sum"), "--check", "--strict", build.SumsFile); err != nil {
		t.Errorf("sha256sum: %v", err)
	}
}

// TestOpenSSLKey signs with a key in PKCS #8 that OpenSSL made.
func TestOpenSSLKey(t *testing.T) {
	t.Parallel()
	openssl := tool(t, "OPENSSL", "openssl")
	dir := t.TempDir()
	for curve, want := range map[string]string{"P-256": "", "P-384": "not an ECDSA key on the curve P-256"} {
		_, err := runTool(t, dir, openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve,
			"-out", curve)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readKey(filepath.Join(dir, curve))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: the error is %v, want %q", curve, err, want)
		}
	}
}

// TestKeygen makes a key with a password and reads it again. A wrong password is refused, and an
// existing key is not replaced.
func TestKeygen(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "cosign")
	t.Setenv(passwordVariable, testPassword)
	keygen := func() error { return run(t.Context(), []string{"keygen", "-output", prefix}, new(strings.Builder)) }
	if err := keygen(); err != nil {
		t.Fatal(err)
	}
	key, err := readKey(prefix + ".key")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(prefix + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	public, err := cosign.ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign([]byte("message"))
	if err != nil || !public.Verify([]byte("message"), sig) || public.Verify([]byte("another"), sig) {
		t.Errorf("the two keys do not belong together: %v", err)
	}
	if err := keygen(); err == nil {
		t.Error("keygen replaced a key")
	}
	t.Setenv(passwordVariable, "another password")
	_, err = readKey(prefix + ".key")
	refused(t, "wrong password", err, "cannot be decrypted")
}

// TestCosign has the program cosign judge a release in a registry: signatures, both attestations,
// and the checksums, with a key that cosign made. Another key is refused.
func TestCosign(t *testing.T) {
	t.Parallel()
	program := tool(t, "COSIGN", "cosign")
	dir := t.TempDir()
	if _, err := runTool(t, dir, program, "generate-key-pair"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cosign.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := cosign.ParsePrivateKey(text, []byte(testPassword))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "release")
	version := buildRelease(t, checkoutTagged(t, "v1.2.3"), out, key)
	r := newRegistry(t)
	push(t, out, r)
	other, err := newKey(t).Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "other.pub"), string(other))
	for _, repository := range []string{build.ProxyRepository, build.TrialRepository, build.ChartRepository} {
		ref := r.Name + "/" + repository + ":" + version
		for _, check := range [][]string{
			{"verify", "-a", "version=" + version, "-a", "repository=" + repository},
			{"verify-attestation", "--type", "cyclonedx"},
			{"verify-attestation", "--type", "slsaprovenance1"},
		} {
			judge := func(key string) error {
				args := append([]string{check[0], "--key", key, "--insecure-ignore-tlog", "--allow-http-registry"},
					append(check[1:], ref)...)
				_, err := runTool(t, dir, program, args...)
				return err
			}
			if err := judge("cosign.pub"); err != nil {
				t.Errorf("cosign refuses %s: %v", ref, err)
			}
			if judge("other.pub") == nil {
				t.Errorf("cosign accepts another key for %s", ref)
			}
		}
	}
	if _, err := runTool(t, out, program, "verify-blob", "--key", filepath.Join(dir, "cosign.pub"),
		"--insecure-ignore-tlog", "--signature", build.SumsSignature, build.SumsFile); err != nil {
		t.Errorf("cosign refuses the checksums: %v", err)
	}
}
