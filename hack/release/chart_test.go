package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
)

// TestHelm installs nothing, but has helm pull the chart from a registry and render it: version and
// appVersion are those of the release, and every image is pinned by its digest.
func TestHelm(t *testing.T) {
	t.Parallel()
	helm := tool(t, "HELM", "helm")
	s := smallRelease(t)
	r := newRegistry(t)
	push(t, s.dir, r)
	chart := "oci://" + r.Name + "/" + build.ChartRepository
	remote := []string{chart, "--plain-http", "--version", s.version}
	shown, err := runTool(t, t.TempDir(), helm, append([]string{"show", "chart"}, remote...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nversion: " + s.version, "\nappVersion: " + s.version, "\nhome: ", "\nicon: ",
		"\nsources:", "\nmaintainers:", "\nkeywords:", "artifacthub.io/images:"} {
		if !strings.Contains("\n"+shown, want) {
			t.Errorf("helm shows a chart without %q:\n%s", want, shown)
		}
	}
	rendered, err := runTool(t, t.TempDir(), helm, append([]string{"template", "signing"},
		append(remote, "--set", "trial.enabled=true")...)...)
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{
		"signstash-proxy@": repo(t, s.dir, build.ProxyRepository).find(s.version).Digest.String(),
		"signstash-trial@": repo(t, s.dir, build.TrialRepository).find(s.version).Digest.String(),
	}
	images := 0
	for line := range strings.Lines(rendered) {
		_, image, ok := strings.Cut(strings.TrimSpace(line), "image: ")
		if !ok {
			continue
		}
		images++
		image = strings.Trim(image, `"`)
		name, digest, _ := strings.Cut(image, "@")
		if digest != digests[name+"@"] {
			t.Errorf("the chart renders the image %s", image)
		}
	}
	if images < 3 {
		t.Errorf("the chart renders only %d images", images)
	}
	if _, err := runTool(t, t.TempDir(), helm, "lint", "--strict",
		filepath.Join(s.dir, "signstash-proxy-"+s.version+".tgz")); err != nil {
		t.Errorf("helm lint: %v", err)
	}
}
