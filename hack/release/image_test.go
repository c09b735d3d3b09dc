package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
)

// TestImages lists the files of both images, and compares their configuration with the Dockerfiles.
func TestImages(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	for name, want := range map[string]struct {
		files      []string
		dockerfile string
	}{
		build.ProxyRepository: {[]string{
			"0644 LICENSE", "0755 bin/", "0755 bin/controller", "0755 bin/proxy", "0755 bin/signctl",
			"0755 etc/", "0755 etc/ssl/", "0755 etc/ssl/certs/", "0644 etc/ssl/certs/ca-certificates.crt",
			"0755 home/", "01777 tmp/"}, "Dockerfile"},
		build.TrialRepository: {[]string{"0644 LICENSE", "0755 bin/", "0755 bin/signingservice", "01777 home/"},
			"hack/signingservice/Dockerfile"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", want.dockerfile))
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ParseDockerfile(string(text))
		if err != nil {
			t.Fatal(err)
		}
		r := repo(t, s.dir, name)
		for i, platform := range build.ImagePlatforms {
			if got := files(t, r.read(r.layer(s.version, i).Digest)); !slices.Equal(got, want.files) {
				t.Errorf("%s for %s: files %q, want %q", name, platform, got, want.files)
			}
			var m v1.Manifest
			r.decode(r.blob(r.images(s.version).Manifests[i].Digest), &m)
			var got v1.ConfigFile
			r.decode(r.blob(m.Config.Digest), &got)
			if got.OS != platform.OS || got.Architecture != platform.Arch {
				t.Errorf("%s for %s: configuration for %s/%s", name, platform, got.OS, got.Architecture)
			}
			if version := got.Config.Labels["org.opencontainers.image.version"]; version != s.version {
				t.Errorf("%s for %s: version %q", name, platform, version)
			}
			got.Config.Labels = config.Labels
			if a, b := encoded(t, got.Config), encoded(t, config); a != b {
				t.Errorf("%s for %s: configuration\n%s\nDockerfile\n%s", name, platform, a, b)
			}
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files lists the entries of a layer with their modes, and checks that they belong to root and have
// the time of the commit.
func files(t *testing.T, layer []byte) []string {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for in := tar.NewReader(plain); ; {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("0%o %s", head.Mode, head.Name))
		if head.Uid != 0 || head.Gid != 0 || head.Uname != "" || head.ModTime.Unix() != 1767225600 {
			t.Errorf("%s belongs to %d:%d %q and has the time %v", head.Name, head.Uid, head.Gid, head.Uname, head.ModTime)
		}
	}
}

// TestDockerfile reads the configuration of the proxy's image.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.ParseDockerfile(string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Entrypoint":["/bin/proxy"],"Env":["SIGNSTASH_CONTAINER=1"],"User":"65532:65532","Volumes":{"/tmp":{}},` +
		`"ExposedPorts":{"8080/tcp":{},"8081/tcp":{}}}`
	if encoded(t, got) != want {
		t.Errorf("configuration %s, want %s", encoded(t, got), want)
	}
	for _, line := range []string{"FROM debian", "RUN id", "LABEL a", "USER 1 \\"} {
		if _, err := image.ParseDockerfile(line); err == nil {
			t.Errorf("%q is accepted", line)
		}
	}
}

// TestAuthorities reads the certificate authorities of the image.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	text, err := image.Authorities()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate can be read")
	}
	if n := strings.Count(string(text), "BEGIN CERTIFICATE"); n < 100 {
		t.Errorf("there are only %d authorities", n)
	}
}
