package cms

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two independent implementations verify what this package writes.

func TestOpenSSLVerifies(t *testing.T) {
	openssl := tool(t, "openssl")
	for name, produce := range variants(t) {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			der, id, _ := produce()
			write(t, folder, "content", []byte("content"))
			write(t, folder, "other", []byte("Content"))
			write(t, folder, "cms.der", der)
			write(t, folder, "root.pem",
				pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.chain[len(id.chain)-1].Raw}))
			verify := func(content string) ([]byte, error) {
				cmd := exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "cms.der",
					"-content", content, "-CAfile", "root.pem", "-purpose", "any", "-out", os.DevNull)
				cmd.Dir = folder
				return cmd.CombinedOutput()
			}
			if out, err := verify("content"); err != nil {
				t.Errorf("openssl cms -verify = %v: %s", err, out)
			}
			if out, err := verify("other"); err == nil {
				t.Errorf("openssl cms -verify of other content succeeded: %s", out)
			}
		})
	}
}

func TestBouncyCastleVerifies(t *testing.T) {
	java, javac := tool(t, "java"), tool(t, "javac")
	var jars []string
	for _, jar := range []string{"bcprov", "bcutil", "bcpkix"} {
		path := "/usr/share/java/" + jar + ".jar" // where Debian's libbcpkix-java puts it
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("Bouncy Castle is not installed: %v", err)
			}
			t.Skipf("Bouncy Castle is not installed: %v", err)
		}
		jars = append(jars, path)
	}
	folder := t.TempDir()
	classpath := strings.Join(append(jars, folder), string(filepath.ListSeparator))
	if out, err := exec.Command(
		javac, "-cp", classpath, "-d", folder, "testdata/bouncycastle/Verify.java",
	).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v: %s", err, out)
	}
	args := []string{"-cp", classpath, "Verify", write(t, folder, "content", []byte("content"))}
	want := map[string]string{}
	for name, produce := range variants(t) {
		der, _, _ := produce()
		stamped, err := AddTimestamp(der, read(t, "testdata/timestamp/token.der"))
		if err != nil {
			t.Fatal(err)
		}
		name = strings.NewReplacer(" ", "-", "/", "-").Replace(name)
		want[write(t, folder, name, der)] = "good"
		want[write(t, folder, name+"-stamped", stamped)] = "good"
		der[len(der)-1] ^= 1
		want[write(t, folder, name+"-tampered", der)] = "bad"
	}
	for file := range want {
		args = append(args, file)
	}
	out, err := exec.Command(java, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("java: %v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("java printed %d lines, want %d: %s", len(lines), len(want), out)
	}
	for _, line := range lines {
		file, got, _ := strings.Cut(line, " ")
		if (got == "good") != (want[file] == "good") {
			t.Errorf("Bouncy Castle on %s: %s, want %s", filepath.Base(file), got, want[file])
		}
	}
}

func write(t *testing.T, folder, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
