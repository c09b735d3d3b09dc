package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// TestVerify verifies a release in its folder and in a registry.
func TestVerify(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	if s.version != "1.2.3" {
		t.Errorf("the version is %q, want that of the tag, 1.2.3", s.version)
	}
	if err := verify.Folder(t.Context(), s.dir, s.config()); err != nil {
		t.Errorf("folder: %v", err)
	}
	r := newRegistry(t)
	push(t, s.dir, r)
	if err := verifyIn(t.Context(), r, s.config()); err != nil {
		t.Errorf("registry: %v", err)
	}
	push(t, s.dir, r) // the same content again is no fault
}

// TestReproducible builds two checkouts of one commit in two folders: all files are equal, with the
// signatures.
func TestReproducible(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	var sums []map[string]string
	for range 2 {
		out := filepath.Join(t.TempDir(), "release")
		version := buildRelease(t, checkout(t), out, key)
		if !strings.HasPrefix(version, "0.0.0-20260101000000-") {
			t.Errorf("the version of a commit without a tag is %q", version)
		}
		sums = append(sums, sumsOf(t, out))
	}
	if !maps.Equal(sums[0], sums[1]) {
		t.Errorf("two builds of one commit differ:\n%v\n%v", sums[0], sums[1])
	}
	if len(sums[0]) < 20 {
		t.Errorf("the release has only %d files", len(sums[0]))
	}
}

// sumsOf returns the SHA-256 of each file below dir.
func sumsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		name, _ := filepath.Rel(dir, path)
		sums[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// TestFiles lists the files to download.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	var got []string
	for name := range sumsOf(t, s.dir) {
		if !strings.HasPrefix(name, "oci") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	want := []string{
		"SHA256SUMS", "SHA256SUMS.sig", "provenance.json",
		"sbom/chart.cdx.json",
		"sbom/signctl_1.2.3_darwin_amd64.tar.gz.cdx.json",
		"sbom/signctl_1.2.3_darwin_arm64.tar.gz.cdx.json",
		"sbom/signctl_1.2.3_windows_amd64.zip.cdx.json",
		"sbom/signstash-proxy.cdx.json",
		"sbom/signstash-proxy_1.2.3_linux_amd64.tar.gz.cdx.json",
		"sbom/signstash-proxy_1.2.3_linux_arm64.tar.gz.cdx.json",
		"sbom/signstash-trial.cdx.json",
		"signctl_1.2.3_darwin_amd64.tar.gz",
		"signctl_1.2.3_darwin_arm64.tar.gz",
		"signctl_1.2.3_windows_amd64.zip",
		"signstash-proxy-1.2.3.tgz",
		"signstash-proxy_1.2.3_linux_amd64.tar.gz",
		"signstash-proxy_1.2.3_linux_arm64.tar.gz",
	}
	if !slices.Equal(got, want) {
		t.Errorf("files:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestChangedCheckout refuses to release what is not committed, unless the version says so.
func TestChangedCheckout(t *testing.T) {
	t.Parallel()
	top := checkoutTagged(t, "v1.2.3")
	write(t, filepath.Join(top, "cmd", "proxy", "main.go"), program+"// changed\n")
	cfg := build.Config{Top: top, Out: filepath.Join(t.TempDir(), "release"), Log: quiet}
	if _, err := build.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "not committed") {
		t.Errorf("build of a changed checkout: %v", err)
	}
	source, err := build.ReadSource(t.Context(), top)
	if err != nil || source.Version != "1.2.3-dirty" {
		t.Errorf("the version of a changed checkout is %q, %v; want 1.2.3-dirty", source.Version, err)
	}
}

// TestChangeDuringBuild refuses a release if the checkout changes while it is built.
func TestChangeDuringBuild(t *testing.T) {
	t.Parallel()
	top := checkoutTagged(t, "v1.2.3")
	out := filepath.Join(t.TempDir(), "release")
	changed := false
	cfg := build.Config{Top: top, Out: out, Platforms: build.ImagePlatforms[:1], Clients: []image.Platform{},
		Log: func(string, ...any) {
			if !changed {
				changed = true
				write(t, filepath.Join(top, "new"), "new")
			}
		}}
	_, err := build.Run(t.Context(), cfg)
	refused(t, "build", err, "the checkout changed while it was built")
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("there is a release: %v", err)
	}
}

// TestPushKeepsTags refuses to replace a release in a registry.
func TestPushKeepsTags(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	r := newRegistry(t)
	push(t, s.dir, r)
	top := checkout(t)
	write(t, filepath.Join(top, "cmd", "proxy", "main.go"), program+"// another\n\nvar another = version\n")
	commit(t, top, "Second")
	git(t, top, "tag", "v1.2.3")
	other := filepath.Join(t.TempDir(), "release")
	buildRelease(t, top, other, s.key)
	if err := pushAll(t.Context(), other, r); err == nil || !strings.Contains(err.Error(), "not replaced") {
		t.Errorf("push of another release with the same version: %v", err)
	}
	if err := verifyIn(t.Context(), r, s.config()); err != nil {
		t.Errorf("the first release afterwards: %v", err)
	}
}

// TestPlainHTTP refuses a registry without TLS, unless it is allowed.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	r := newRegistry(t)
	r.PlainHTTP = false
	if err := pushAll(t.Context(), s.dir, r); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("push without TLS: %v", err)
	}
}
