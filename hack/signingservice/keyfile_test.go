package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// TestKeysAreKept checks that the simulation has the same keys and certificates after a restart,
// with a key file that it created and with one that is read-only, and new ones without a file.
func TestKeysAreKept(t *testing.T) {
	dir := t.TempDir()
	made, mounted := filepath.Join(dir, "new", "key-seed"), filepath.Join(dir, "secret")
	if err := os.WriteFile(mounted, bytes.Repeat([]byte("0123456789abcdef"), 4), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		same bool
	}{{made, true}, {mounted, true}, {"", false}} {
		var roots, keys [2]string
		for i := range roots {
			set := &settings{keyFile: c.file}
			for _, kind := range []service.KeyKind{service.RSA2048, service.ECDSAP256, service.ECDSAP384} {
				set.options.Credentials = append(set.options.Credentials, service.Credential{Key: kind})
			}
			sim, err := newSimulation(set, "http://127.0.0.1:1")
			if err != nil {
				t.Fatal(err)
			}
			roots[i] = string(sim.service.Authority().RootPEM())
			for _, chain := range sim.service.Chains() {
				for _, certificate := range chain {
					keys[i] += string(certificate.Raw)
				}
			}
			sim.service.Close()
		}
		if roots[0] == "" || keys[0] == "" || (roots[0] == roots[1]) != c.same || (keys[0] == keys[1]) != c.same {
			t.Errorf("key file %q: after a restart the root is the same: %v, the certificates are: %v, want %v",
				c.file, roots[0] == roots[1], keys[0] == keys[1], c.same)
		}
	}
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the made file: %v, %v, want mode 0600", info, err)
	}
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSeed(short); err == nil {
		t.Error("a short seed was accepted")
	}
}
