package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// Names of the repositories of a release, which are also the folders of their layouts.
const (
	ProxyRepository = "signstash-proxy"
	TrialRepository = "signstash-trial"
	ChartRepository = "charts/signstash-proxy"
)

// Names of files and folders of a release.
const (
	LayoutFolder   = "oci"
	SBOMFolder     = "sbom"
	ProvenanceFile = "provenance.json"
	SumsFile       = "SHA256SUMS"
	SumsSignature  = "SHA256SUMS.sig"
)

// Config describes a release.
type Config struct {
	// Top is the top folder of the checkout.
	Top string
	// Out is the folder of the release. A release that is there is replaced.
	Out string
	// Key signs. If it is nil, the release is not signed.
	Key *cosign.PrivateKey
	// Registry is where the chart looks for its images, such as "registry.example.org/signing". If it
	// is empty, whoever installs the chart names the registry.
	Registry string
	// Platforms are the platforms of the images. Nil means ImagePlatforms.
	Platforms []image.Platform
	// Clients are further platforms with an archive of signctl. Nil means ClientPlatforms.
	Clients []image.Platform
	// Builder is the URI of who builds, for the provenance.
	Builder string
	// SourceURI is the address of the repository, for the provenance.
	SourceURI string
	// AllowDirty permits changes that are not in the commit. The version says so then.
	AllowDirty bool
	// Log receives what happens.
	Log func(format string, args ...any)
}

// artifact is an image or a chart of the release, with all that is said about it.
type artifact struct {
	repository string
	digest     v1.Hash
	manifests  []v1.Hash // of the platforms of an image
	sbom       []byte
}

// digests returns the digests that are signed.
func (a artifact) digests() []v1.Hash { return append([]v1.Hash{a.digest}, a.manifests...) }

// subjects returns the artifact for a statement.
func (a artifact) subjects() []statement.Subject {
	var subjects []statement.Subject
	for _, digest := range a.digests() {
		subjects = append(subjects, statement.NewSubject(a.repository, digest))
	}
	return subjects
}

// release is a release that is being built.
type release struct {
	Config
	source   Source
	programs string // folder of the built programs
	layouts  map[string]*oci.Layout
	parts    []artifact
	files    []statement.Subject // archives and the packaged chart
}

// Run builds the release and returns its version. The folder of the release appears when it is
// complete.
func Run(ctx context.Context, cfg Config) (version string, err error) {
	s, err := ReadSource(ctx, cfg.Top)
	if err != nil {
		return "", err
	}
	if s.Dirty && !cfg.AllowDirty {
		return "", errors.New("the checkout has changes that are not committed; a release is built from a commit")
	}
	if err := CheckVersion(s.Version); err != nil {
		return "", err
	}
	if cfg.Platforms == nil {
		cfg.Platforms = ImagePlatforms
	}
	if cfg.Clients == nil {
		cfg.Clients = ClientPlatforms
	}
	parent, final := filepath.Dir(cfg.Out), cfg.Out
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(parent, ".release-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	cfg.Out = filepath.Join(work, "release")
	r := &release{Config: cfg, source: s, programs: filepath.Join(work, "programs"), layouts: map[string]*oci.Layout{}}
	if err := r.build(ctx); err != nil {
		return "", err
	}
	if err := s.unchanged(ctx); err != nil {
		return "", err
	}
	if err := os.RemoveAll(final); err != nil {
		return "", err
	}
	return s.Version, os.Rename(cfg.Out, final)
}

func (r *release) build(ctx context.Context) error {
	if err := r.compileAll(ctx, r.source, r.programs); err != nil {
		return err
	}
	for _, repository := range []string{ProxyRepository, TrialRepository, ChartRepository} {
		l, err := oci.Create(filepath.Join(r.Out, LayoutFolder, filepath.FromSlash(repository)))
		if err != nil {
			return err
		}
		r.layouts[repository] = l
	}
	steps := []func() error{
		r.addImages, r.addChart, r.addArchives, r.writeSBOMs, r.addStatements, r.closeLayouts, r.writeSums,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) closeLayouts() error {
	for _, l := range r.layouts {
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file of the release.
func (r *release) write(name string, content []byte) error {
	path := filepath.Join(r.Out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// imageName returns the name of an image as the chart uses it.
func (r *release) imageName(repository string) string {
	return strings.TrimPrefix(fmt.Sprintf("%s/%s", strings.TrimSuffix(r.Registry, "/"), repository), "/")
}
