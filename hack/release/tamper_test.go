package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
	"github.com/signstash-proxy/signstash-proxy/hack/release/verify"
)

// tampering is a change of a release in a registry, and what the verification says about it.
type tampering struct {
	name   string
	change func(t *testing.T, s small, dir string)
	want   []string // parts of the error
}

var tamperings = []tampering{
	{"signature of another key", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ProxyRepository)
		r.resign(s, r.find(s.version).Digest, newKey(t))
	}, []string{"signstash-proxy:1.2.3: index sha256:", "signature: it has no signature of this key"}},

	{"signature of one platform missing", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ProxyRepository)
		r.tag(attached(r.images(s.version).Manifests[1].Digest, "sig"), v1.Descriptor{})
	}, []string{"signstash-proxy:1.2.3: linux/arm64 sha256:", "it has no signature"}},

	{"signature missing", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ChartRepository)
		r.tag(attached(r.find(s.version).Digest, "sig"), v1.Descriptor{})
	}, []string{"charts/signstash-proxy:1.2.3: chart sha256:", "it has no signature"}},

	{"attestations missing", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.TrialRepository)
		r.tag(attached(r.find(s.version).Digest, "att"), v1.Descriptor{})
	}, []string{"signstash-trial:1.2.3: index sha256:", "it has no attestations"}},

	{"provenance missing", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ProxyRepository)
		r.change(attached(r.find(s.version).Digest, "att"), func(m *v1.Manifest) { m.Layers = m.Layers[:1] })
	}, []string{"no attestation of type " + statement.ProvenanceType}},

	{"SBOM changed", func(t *testing.T, s small, dir string) {
		repo(t, dir, build.ProxyRepository).changeAttestation(s, 0, `"bomFormat":"CycloneDX"`, `"bomFormat":"CycloneDX" `)
	}, []string{"attestation " + statement.SBOMType, "it has no signature of this key"}},

	{"provenance changed", func(t *testing.T, s small, dir string) {
		repo(t, dir, build.ChartRepository).changeAttestation(s, 1, builder, "https://other.example.org/1")
	}, []string{"charts/signstash-proxy:1.2.3", "attestation " + statement.ProvenanceType,
		"it has no signature of this key"}},

	{"chart changed", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ChartRepository)
		r.change(s.version, func(m *v1.Manifest) { m.Layers[0] = r.add(m.Layers[0], []byte("another chart")) })
	}, []string{"charts/signstash-proxy:1.2.3: chart sha256:", "it has no signature"}},

	{"index with another image", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ProxyRepository)
		index := r.images(s.version)
		index.Manifests[0], index.Manifests[1] = index.Manifests[1], index.Manifests[0]
		r.tag(s.version, r.add(r.find(s.version), r.encode(index)))
	}, []string{"signstash-proxy:1.2.3: index sha256:", "it has no signature"}},

	{"index of another image, with its signatures", func(t *testing.T, s small, dir string) {
		r, trial := repo(t, dir, build.ProxyRepository), repo(t, dir, build.TrialRepository)
		trial.copyTo(r)
		r.tag(s.version, trial.find(s.version))
	}, []string{"signstash-proxy:1.2.3", `the signature is for the repository "signstash-trial"`}},

	{"index of an earlier version, with its signatures", func(t *testing.T, s small, dir string) {
		earlier := filepath.Join(t.TempDir(), "release")
		buildRelease(t, checkoutTagged(t, "v1.2.2"), earlier, s.key)
		r, old := repo(t, dir, build.ProxyRepository), repo(t, earlier, build.ProxyRepository)
		old.copyTo(r)
		r.tag(s.version, old.find("1.2.2"))
	}, []string{"signstash-proxy:1.2.3", `the signature is for the version "1.2.2"`}},

	{"signature of another digest", func(t *testing.T, s small, dir string) {
		r := repo(t, dir, build.ProxyRepository)
		platform := r.images(s.version).Manifests[0].Digest
		r.tag(attached(r.find(s.version).Digest, "sig"), r.find(attached(platform, "sig")))
	}, []string{"the signature is for the digest"}},

	{"attestations of another digest", func(t *testing.T, s small, dir string) {
		r, trial := repo(t, dir, build.ProxyRepository), repo(t, dir, build.TrialRepository)
		trial.copyTo(r)
		r.tag(attached(r.find(s.version).Digest, "att"), r.find(attached(trial.find(s.version).Digest, "att")))
	}, []string{"SBOM: it is not about signstash-proxy"}},
}

// TestTampering changes a release, in its layouts and in a registry. Each change is refused with a
// reason that names the part.
func TestTampering(t *testing.T) {
	t.Parallel()
	for _, tt := range tamperings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := smallRelease(t)
			dir := s.copyOf(t)
			tt.change(t, s, dir)
			refused(t, "layout", verifyLayouts(t.Context(), dir, s.config()), tt.want...)
			r := newRegistry(t)
			push(t, dir, r)
			refused(t, "registry", verifyIn(t.Context(), r, s.config()), tt.want...)
		})
	}
}

func verifyLayouts(ctx context.Context, dir string, cfg verify.Config) error {
	return verify.Repositories(ctx, cfg, func(name string) (oci.Source, error) {
		return oci.OpenLayout(filepath.Join(dir, build.LayoutFolder, filepath.FromSlash(name)))
	})
}

// refused checks that err holds all parts.
func refused(t *testing.T, where string, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: the error is %v, want one with %q", where, err, part)
		}
	}
}

// resign replaces the signature of a digest by one of another key.
func (r repository) resign(s small, d v1.Hash, key cosign.PrivateKey) {
	r.t.Helper()
	r.change(attached(d, "sig"), func(m *v1.Manifest) {
		sig, err := key.Sign(r.read(m.Layers[0].Digest))
		if err != nil {
			r.t.Fatal(err)
		}
		m.Layers[0].Annotations["dev.cosignproject.cosign/signature"] = base64.StdEncoding.EncodeToString(sig)
	})
}

// changeAttestation replaces a text in the attestation with this number, without a new signature.
func (r repository) changeAttestation(s small, number int, old, new string) {
	r.t.Helper()
	r.change(attached(r.find(s.version).Digest, "att"), func(m *v1.Manifest) {
		var envelope map[string]any
		if err := json.Unmarshal(r.read(m.Layers[number].Digest), &envelope); err != nil {
			r.t.Fatal(err)
		}
		payload, err := base64.StdEncoding.DecodeString(envelope["payload"].(string))
		if err != nil || !bytes.Contains(payload, []byte(old)) {
			r.t.Fatalf("the attestation has no %q, %v", old, err)
		}
		changed := bytes.Replace(payload, []byte(old), []byte(new), 1)
		envelope["payload"] = base64.StdEncoding.EncodeToString(changed)
		m.Layers[number] = r.add(m.Layers[number], r.encode(envelope))
	})
}

// TestChangedLayer changes a layer under its digest, which only broken or hostile storage does.
func TestChangedLayer(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	dir := s.copyOf(t)
	r := repo(t, dir, build.ProxyRepository)
	layer := r.layer(s.version, 1)
	content := r.read(layer.Digest)
	want := []string{"signstash-proxy:1.2.3: linux/arm64: layer: " + layer.Digest.String()}

	blobs := registry.NewInMemoryBlobHandler()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)),
		registry.WithBlobHandler(changingBlobs{blobs, layer.Digest})))
	t.Cleanup(server.Close)
	reg := oci.Registry{Name: strings.TrimPrefix(server.URL, "http://") + "/signing", PlainHTTP: true}
	push(t, dir, reg)
	refused(t, "registry", verifyIn(t.Context(), reg, s.config()), want...)

	content[len(content)/2] ^= 1
	write(t, r.blob(layer.Digest), string(content))
	refused(t, "layout", verifyLayouts(t.Context(), dir, s.config()), want...)
	write(t, r.blob(layer.Digest), "shorter")
	refused(t, "short layout", verifyLayouts(t.Context(), dir, s.config()), want...)
	if err := os.Remove(r.blob(layer.Digest)); err != nil {
		t.Fatal(err)
	}
	refused(t, "layout without the layer", verifyLayouts(t.Context(), dir, s.config()), append(want, "not found")...)
}

// changingBlobs returns one blob with a changed byte.
type changingBlobs struct {
	registry.BlobHandler
	changed v1.Hash
}

func (b changingBlobs) Get(ctx context.Context, repo string, h v1.Hash) (io.ReadCloser, error) {
	r, err := b.BlobHandler.Get(ctx, repo, h)
	if err != nil || h != b.changed {
		return r, err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	content = bytes.Clone(content)
	content[len(content)/2] ^= 1
	return io.NopCloser(bytes.NewReader(content)), err
}

func (b changingBlobs) Stat(ctx context.Context, repo string, h v1.Hash) (int64, error) {
	return b.BlobHandler.(registry.BlobStatHandler).Stat(ctx, repo, h)
}

func (b changingBlobs) Put(ctx context.Context, repo string, h v1.Hash, r io.ReadCloser) error {
	return b.BlobHandler.(registry.BlobPutHandler).Put(ctx, repo, h, r)
}

// TestFolderTampering changes files of a release in its folder.
func TestFolderTampering(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	const archive = "signstash-proxy_1.2.3_linux_arm64.tar.gz"
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string) error
		want   string
	}{
		"archive changed": {func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, archive), []byte("x"), 0o644)
		}, archive + ": the file was changed"},
		"archive missing": {func(t *testing.T, dir string) error {
			return os.Remove(filepath.Join(dir, archive))
		}, archive + ": the file is missing"},
		"file added": {func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "install.sh"), []byte("x"), 0o644)
		}, "install.sh: the file is not in SHA256SUMS"},
		"checksums changed": {func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, build.SumsFile), []byte("x"), 0o644)
		}, "SHA256SUMS: it has no signature of this key"},
		"checksums not signed": {func(t *testing.T, dir string) error {
			return os.Remove(filepath.Join(dir, build.SumsSignature))
		}, "SHA256SUMS: it has no signature"},
		"SBOM changed": {func(t *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "sbom", "chart.cdx.json"), []byte("{}"), 0o644)
		}, "sbom/chart.cdx.json: the file was changed"},
		"link": {func(t *testing.T, dir string) error {
			return os.Symlink(archive, filepath.Join(dir, "link"))
		}, "is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := s.copyOf(t)
			if err := tt.change(t, dir); err != nil {
				t.Fatal(err)
			}
			refused(t, "folder", verify.Folder(t.Context(), dir, s.config()), tt.want)
		})
	}
}

// TestExpectations refuses a release that is right, but not the expected one.
func TestExpectations(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	for want, change := range map[string]func(*verify.Config){
		"it was built by":              func(c *verify.Config) { c.Builder = "https://other.example.org" },
		"it was built from commit":     func(c *verify.Config) { c.Commit = strings.Repeat("0", 40) },
		"tag 1.2.4: not found":         func(c *verify.Config) { c.Version = "1.2.4" },
		"is not a semantic version":    func(c *verify.Config) { c.Version = "latest" },
		"it has no signature of this ": func(c *verify.Config) { c.Key = newKey(t).Public() },
	} {
		cfg := s.config()
		change(&cfg)
		refused(t, "layout", verifyLayouts(t.Context(), s.dir, cfg), want)
	}
}

// TestOtherAttestation accepts a release to which somebody else has attached an attestation of
// another type.
func TestOtherAttestation(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)
	dir := s.copyOf(t)
	r := repo(t, dir, build.ProxyRepository)
	sealed, err := cosign.Seal(newKey(t), []byte(`{"predicateType":"https://example.org/scan"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.change(attached(r.find(s.version).Digest, "att"), func(m *v1.Manifest) {
		scan := r.add(m.Layers[0], sealed)
		scan.Annotations = map[string]string{"predicateType": "https://example.org/scan"}
		m.Layers = append(m.Layers, scan)
	})
	if err := verifyLayouts(t.Context(), dir, s.config()); err != nil {
		t.Error(err)
	}
}

// TestSignedMistakes refuses a release whose key signed something that is not true: an SBOM of
// other programs, or a chart with another image.
func TestSignedMistakes(t *testing.T) {
	t.Parallel()
	s := smallRelease(t)

	dir := s.copyOf(t)
	r := repo(t, dir, build.TrialRepository)
	content := r.read(r.layer(s.version, 0).Digest)
	program := programDigest(t, content, "bin/signingservice")
	r.changeSigned(s, 0, program, strings.Repeat("0", len(program)))
	refused(t, "SBOM", verifyLayouts(t.Context(), dir, s.config()),
		"signstash-trial:1.2.3: SBOM: program bin/signingservice for linux/amd64 has the digest")

	// The chart of another release with the same version, whole and signed.
	top := checkout(t)
	write(t, filepath.Join(top, "cmd", "proxy", "main.go"), program0)
	commit(t, top, "Second")
	git(t, top, "tag", "v1.2.3")
	other := filepath.Join(t.TempDir(), "release")
	buildRelease(t, top, other, s.key)
	dir = s.copyOf(t)
	chart := filepath.Join(build.LayoutFolder, filepath.FromSlash(build.ChartRepository))
	if err := os.RemoveAll(filepath.Join(dir, chart)); err != nil {
		t.Fatal(err)
	}
	copyTree(t, filepath.Join(other, chart), filepath.Join(dir, chart))
	refused(t, "chart", verifyLayouts(t.Context(), dir, s.config()),
		"charts/signstash-proxy:1.2.3: chart: it installs signstash-proxy@sha256:", "but the release has the digest")
}

// program0 is another program than that of the small checkout.
const program0 = program + "\nvar another = version\n\nfunc init() { println(another) }\n"

// programDigest returns the digest of a program in a layer.
func programDigest(t *testing.T, layer []byte, name string) string {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(plain); ; {
		head, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if head.Name == name {
			content, err := io.ReadAll(in)
			if err != nil {
				t.Fatal(err)
			}
			return oci.Digest(content).Hex
		}
	}
}

// changeSigned replaces a text in the attestation with this number of the index, and signs it
// again.
func (r repository) changeSigned(s small, number int, old, new string) {
	r.t.Helper()
	r.change(attached(r.find(s.version).Digest, "att"), func(m *v1.Manifest) {
		statement, err := cosign.Unseal(s.key.Public(), r.read(m.Layers[number].Digest))
		if err != nil || !bytes.Contains(statement, []byte(old)) {
			r.t.Fatalf("the attestation has no %q, %v", old, err)
		}
		sealed, err := cosign.Seal(s.key, bytes.ReplaceAll(statement, []byte(old), []byte(new)))
		if err != nil {
			r.t.Fatal(err)
		}
		m.Layers[number] = r.add(m.Layers[number], sealed)
	})
}
