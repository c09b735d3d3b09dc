package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"go.yaml.in/yaml/v3"

	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
)

// Media types of a chart in a registry (helm.sh/docs/topics/registries).
const (
	ConfigType types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	LayerType  types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Values that name the images.
const (
	proxyImage = "image"
	trialImage = "trial.image"
)

// Images are the images that the chart installs.
type Images struct{ Proxy, Trial Image }

// Image is a repository, with the registry if it is known, and a digest.
type Image struct {
	Repository string
	Digest     v1.Hash
}

// Chart is a packaged chart.
type Chart struct {
	// Metadata is the content of Chart.yaml as JSON.
	Metadata []byte
	// Archive is what `helm install` takes: a .tgz file.
	Archive []byte
	fields  fields
}

// fields are the fields of Chart.yaml that become annotations.
type fields struct {
	Name        string   `yaml:"name"`
	Version     string   `yaml:"version"`
	AppVersion  string   `yaml:"appVersion"`
	Description string   `yaml:"description"`
	Home        string   `yaml:"home"`
	Sources     []string `yaml:"sources"`
}

// Package packages the chart in the folder dir for a version, with the time at of every file.
func Package(dir, version string, images Images, at time.Time) (Chart, error) {
	files, err := read(dir)
	if err != nil {
		return Chart{}, err
	}
	if files["values.yaml"], err = edit(files["values.yaml"], map[string]string{
		proxyImage + ".repository": images.Proxy.Repository, proxyImage + ".digest": images.Proxy.Digest.String(),
		trialImage + ".repository": images.Trial.Repository, trialImage + ".digest": images.Trial.Digest.String(),
	}); err != nil {
		return Chart{}, fmt.Errorf("values.yaml: %w", err)
	}
	if files["Chart.yaml"], err = edit(files["Chart.yaml"], map[string]string{
		"version": version, "appVersion": version, "annotations.artifacthub.io/images": images.annotation(),
	}); err != nil {
		return Chart{}, fmt.Errorf("Chart.yaml: %w", err)
	}
	return pack(files, at)
}

// annotation returns the list of images in the form of Artifact Hub.
func (i Images) annotation() string {
	return fmt.Sprintf("- name: proxy\n  image: %s@%s\n- name: trial\n  image: %s@%s\n",
		i.Proxy.Repository, i.Proxy.Digest, i.Trial.Repository, i.Trial.Digest)
}

// read returns the files of the chart by name, without those that .helmignore lists.
func read(dir string) (map[string][]byte, error) {
	ignored, err := os.ReadFile(filepath.Join(dir, ".helmignore"))
	if err != nil {
		return nil, err
	}
	skip := append(strings.Fields(string(ignored)), ".helmignore")
	files := map[string][]byte{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || slices.Contains(skip, filepath.ToSlash(name)) {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
}

func pack(files map[string][]byte, at time.Time) (Chart, error) {
	var c Chart
	if err := yaml.Unmarshal(files["Chart.yaml"], &c.fields); err != nil {
		return Chart{}, fmt.Errorf("Chart.yaml: %w", err)
	}
	var metadata map[string]any
	if err := yaml.Unmarshal(files["Chart.yaml"], &metadata); err != nil {
		return Chart{}, fmt.Errorf("Chart.yaml: %w", err)
	}
	var err error
	if c.Metadata, err = json.Marshal(metadata); err != nil {
		return Chart{}, err
	}
	entries := make([]image.File, 0, len(files))
	for name, content := range files {
		entries = append(entries, image.File{Name: c.fields.Name + "/" + name, Mode: 0o644, Content: content})
	}
	var archive bytes.Buffer
	err = image.WriteTarGz(&archive, entries, at)
	c.Archive = archive.Bytes()
	return c, err
}

// Add writes the chart to a layout, in the form that `helm push` gives it, with its version as the
// tag.
func (c Chart) Add(l *oci.Layout, at time.Time) (v1.Descriptor, error) {
	config, err := l.AddBytes(ConfigType, c.Metadata)
	if err != nil {
		return v1.Descriptor{}, err
	}
	layer, err := l.Add(LayerType, func(w io.Writer) error {
		_, err := w.Write(c.Archive)
		return err
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	annotations := map[string]string{
		"org.opencontainers.image.title":       c.fields.Name,
		"org.opencontainers.image.version":     c.fields.Version,
		"org.opencontainers.image.description": c.fields.Description,
		"org.opencontainers.image.url":         c.fields.Home,
		"org.opencontainers.image.created":     at.UTC().Format(time.RFC3339),
	}
	if len(c.fields.Sources) > 0 {
		annotations["org.opencontainers.image.source"] = c.fields.Sources[0]
	}
	m, err := l.AddJSON(types.OCIManifestSchema1, v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: config, Layers: []v1.Descriptor{layer}, Annotations: annotations})
	if err != nil {
		return v1.Descriptor{}, err
	}
	l.Tag(m, c.fields.Version)
	return m, nil
}
