package image

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
)

// Platform is an operating system and a processor, in Go's words.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Config describes an image for several platforms.
type Config struct {
	// Config is the configuration of the image, without labels of the release.
	Config v1.Config
	// Labels of the images, which are also annotations of the index.
	Labels map[string]string
	// Created is the time of every file and of the image.
	Created time.Time
	// Platforms in the order of the index.
	Platforms []Platform
	// Files returns the files for a platform.
	Files func(Platform) []File
}

// Index is an image for several platforms in a layout.
type Index struct {
	v1.Descriptor
	Manifests []v1.Descriptor // one a platform
}

// Build writes the image to the layout and gives it the tag.
func Build(l *oci.Layout, tag string, cfg Config) (Index, error) {
	var out Index
	for _, p := range cfg.Platforms {
		d, err := build(l, cfg, p)
		if err != nil {
			return Index{}, err
		}
		out.Manifests = append(out.Manifests, d)
	}
	var err error
	out.Descriptor, err = l.AddJSON(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2,
		MediaType: types.OCIImageIndex, Manifests: out.Manifests, Annotations: cfg.Labels})
	l.Tag(out.Descriptor, tag)
	return out, err
}

// build writes the image for one platform.
func build(l *oci.Layout, cfg Config, p Platform) (v1.Descriptor, error) {
	layer, diff, err := addLayer(l, cfg.Files(p), cfg.Created)
	if err != nil {
		return v1.Descriptor{}, err
	}
	config := cfg.Config
	config.Labels = maps.Clone(cfg.Config.Labels)
	maps.Copy(config.Labels, cfg.Labels)
	c, err := l.AddJSON(types.OCIConfigJSON, v1.ConfigFile{
		Architecture: p.Arch, OS: p.OS, Created: v1.Time{Time: cfg.Created}, Config: config,
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{diff}},
		History: []v1.History{{Created: v1.Time{Time: cfg.Created}, CreatedBy: "hack/release"}},
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	m, err := l.AddJSON(types.OCIManifestSchema1, v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: c, Layers: []v1.Descriptor{layer}, Annotations: cfg.Labels})
	m.Platform = &v1.Platform{OS: p.OS, Architecture: p.Arch}
	return m, err
}

// addLayer writes files as a layer. It also returns the digest of the layer before compression.
func addLayer(l *oci.Layout, files []File, at time.Time) (layer v1.Descriptor, diff v1.Hash, err error) {
	plain := sha256.New()
	layer, err = l.Add(types.OCILayer, func(w io.Writer) error {
		zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		if err := writeTar(io.MultiWriter(zipped, plain), withFolders(files), at); err != nil {
			return err
		}
		return zipped.Close()
	})
	return layer, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(plain.Sum(nil))}, err
}
