package main

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// TestCheckout builds a release in each of two clones of this checkout, with the real programs. All
// files are equal. It takes minutes and runs only if RELEASE_CHECKOUT is set.
func TestCheckout(t *testing.T) {
	if os.Getenv("RELEASE_CHECKOUT") == "" {
		t.Skip("RELEASE_CHECKOUT is not set")
	}
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	var sums []map[string]string
	for _, name := range []string{"a", "another/folder"} {
		clone := filepath.Join(t.TempDir(), filepath.FromSlash(name))
		git(t, top, "clone", "--quiet", top, clone)
		out := filepath.Join(t.TempDir(), "release")
		version := buildRelease(t, clone, out, key)
		cfg := verify.Config{Key: key.Public(), Version: version, Log: t.Logf}
		if err := verify.Folder(t.Context(), out, cfg); err != nil {
			t.Error(err)
		}
		sums = append(sums, sumsOf(t, out))
		t.Logf("%s: %s", name, sums[len(sums)-1][build.SumsFile])
	}
	if !maps.Equal(sums[0], sums[1]) {
		t.Errorf("two clones differ:\n%v\n%v", sums[0], sums[1])
	}
}
