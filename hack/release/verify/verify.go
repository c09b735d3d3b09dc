package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/chart"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// Config says what is expected of a release.
type Config struct {
	// Key is the key that must have signed everything.
	Key cosign.PublicKey
	// Version is the version of the release. For a folder it may be empty.
	Version string
	// Builder is the URI that the provenance must name as the builder. Empty means any.
	Builder string
	// Commit is the commit that the provenance must name. Empty means any.
	Commit string
	// AllowDirty accepts a release with changes that are not in its commit.
	AllowDirty bool
	// Log receives what was verified.
	Log func(format string, args ...any)
}

// part is an image or the chart of a release that was found to be right.
type part struct {
	digest     v1.Hash
	provenance []byte // statement
	sbom       []byte // CycloneDX, compact JSON
}

// Repositories verifies the images and the chart. open returns the repository with a name.
func Repositories(ctx context.Context, cfg Config, open func(name string) (oci.Source, error)) error {
	_, err := repositories(ctx, cfg, open)
	return err
}

// repositories returns the verified parts by the names of their repositories.
func repositories(ctx context.Context, cfg Config,
	open func(name string) (oci.Source, error)) (map[string]part, error) {
	if err := build.CheckVersion(cfg.Version); err != nil {
		return nil, err
	}
	parts := map[string]part{}
	for _, name := range []string{build.ProxyRepository, build.TrialRepository, build.ChartRepository} {
		s, err := open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c := checker{Config: cfg, repository: name, source: s}
		check := c.image
		if name == build.ChartRepository {
			check = func(ctx context.Context) (part, error) { return c.chart(ctx, parts) }
		}
		p, err := check(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s:%s: %w", name, cfg.Version, err)
		}
		parts[name] = p
		cfg.Log("verified %s:%s@%s", name, cfg.Version, p.digest)
	}
	return parts, nil
}

// checker verifies one repository.
type checker struct {
	Config
	repository string
	source     oci.Source
}

// image verifies the image for all platforms.
func (c checker) image(ctx context.Context) (part, error) {
	d, err := c.source.Resolve(ctx, c.Version)
	if err != nil {
		return part{}, err
	}
	p, err := c.signed(ctx, d.Digest)
	if err != nil {
		return part{}, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	var index v1.IndexManifest
	if err := c.readJSON(ctx, d, &index); err != nil {
		return part{}, fmt.Errorf("index: %w", err)
	}
	programs, err := statement.ProgramDigests(p.sbom)
	if err != nil {
		return part{}, fmt.Errorf("SBOM: %w", err)
	}
	found := map[statement.Program]string{}
	for _, m := range index.Manifests {
		platform := fmt.Sprintf("%s/%s", m.Platform.OS, m.Platform.Architecture)
		if _, err := c.signed(ctx, m.Digest); err != nil {
			return part{}, fmt.Errorf("%s %s: %w", platform, m.Digest, err)
		}
		if err := c.content(ctx, m, platform, found); err != nil {
			return part{}, fmt.Errorf("%s: %w", platform, err)
		}
	}
	return p, comparePrograms(found, programs)
}

// signed verifies the signature of an artifact, its SBOM and its provenance.
func (c checker) signed(ctx context.Context, digest v1.Hash) (part, error) {
	if err := cosign.VerifySignature(ctx, c.source, c.Key, c.repository, c.Version, digest); err != nil {
		return part{}, err
	}
	statements, err := cosign.Statements(ctx, c.source, c.Key, digest, statement.SBOMType, statement.ProvenanceType)
	if err != nil {
		return part{}, err
	}
	sbom, err := statement.Parse(statements[statement.SBOMType], c.repository, digest)
	if err != nil {
		return part{}, fmt.Errorf("SBOM: %w", err)
	}
	provenance, err := statement.Parse(statements[statement.ProvenanceType], c.repository, digest)
	if err != nil {
		return part{}, fmt.Errorf("provenance: %w", err)
	}
	if err := c.provenance(provenance); err != nil {
		return part{}, fmt.Errorf("provenance: %w", err)
	}
	return part{digest, statements[statement.ProvenanceType], sbom.Predicate}, nil
}

func (c checker) provenance(s statement.Statement) error {
	p, err := statement.ParseProvenance(s, c.Version)
	if err != nil {
		return err
	}
	if got := p.RunDetails.Builder.ID; c.Builder != "" && got != c.Builder {
		return fmt.Errorf("it was built by %q, want %q", got, c.Builder)
	}
	if got := p.BuildDefinition.ExternalParameters.Source.Digest["gitCommit"]; c.Commit != "" && got != c.Commit {
		return fmt.Errorf("it was built from commit %q, want %q", got, c.Commit)
	}
	if p.BuildDefinition.InternalParameters.ChangedTree && !c.AllowDirty {
		return errors.New("it was built from a checkout with changes that are not in the commit")
	}
	return nil
}

// chart verifies the chart, and that it installs the images in parts.
func (c checker) chart(ctx context.Context, parts map[string]part) (part, error) {
	d, err := c.source.Resolve(ctx, c.Version)
	if err != nil {
		return part{}, err
	}
	p, err := c.signed(ctx, d.Digest)
	if err != nil {
		return part{}, fmt.Errorf("chart %s: %w", d.Digest, err)
	}
	var m v1.Manifest
	if err := c.readJSON(ctx, d, &m); err != nil {
		return part{}, fmt.Errorf("chart: %w", err)
	}
	if len(m.Layers) != 1 || m.Layers[0].MediaType != chart.LayerType {
		return part{}, errors.New("chart: it is not a Helm chart")
	}
	if _, err := oci.Read(ctx, c.source, m.Config); err != nil {
		return part{}, fmt.Errorf("chart: metadata: %w", err)
	}
	archive, err := oci.Read(ctx, c.source, m.Layers[0])
	if err != nil {
		return part{}, fmt.Errorf("chart: archive: %w", err)
	}
	return p, c.chartContent(archive, parts)
}

// readJSON reads a manifest.
func (c checker) readJSON(ctx context.Context, d v1.Descriptor, v any) error {
	content, err := oci.Read(ctx, c.source, d)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, v)
}

// copyTo reads a blob through f, and checks its digest.
func (c checker) copyTo(ctx context.Context, d v1.Descriptor, f func(io.Reader) error) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := f(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // what follows the end of an archive
		}
		r.CloseWithError(err)
		done <- err
	}()
	err := oci.Copy(ctx, w, c.source, d)
	w.CloseWithError(err)
	if readErr := <-done; err == nil {
		err = readErr
	}
	return err
}
