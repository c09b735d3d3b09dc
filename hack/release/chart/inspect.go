package chart

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds a file of a chart that is read.
const maxFile = 4 << 20

// Content is what a packaged chart says about itself.
type Content struct {
	Name, Version, AppVersion string
	Images                    Images
}

// Inspect reads a packaged chart. It fails if an image is not pinned by a digest.
func Inspect(archive io.Reader) (Content, error) {
	files, err := unpack(archive, "Chart.yaml", "values.yaml")
	if err != nil {
		return Content{}, err
	}
	var f fields
	if err := yaml.Unmarshal(files["Chart.yaml"], &f); err != nil {
		return Content{}, fmt.Errorf("Chart.yaml: %w", err)
	}
	type pinned struct {
		Repository string `yaml:"repository"`
		Digest     string `yaml:"digest"`
	}
	var values struct {
		Image pinned `yaml:"image"`
		Trial struct {
			Image pinned `yaml:"image"`
		} `yaml:"trial"`
	}
	if err := yaml.Unmarshal(files["values.yaml"], &values); err != nil {
		return Content{}, fmt.Errorf("values.yaml: %w", err)
	}
	proxy, err := v1.NewHash(values.Image.Digest)
	if err != nil {
		return Content{}, fmt.Errorf("values.yaml: image.digest: %w", err)
	}
	trial, err := v1.NewHash(values.Trial.Image.Digest)
	if err != nil {
		return Content{}, fmt.Errorf("values.yaml: trial.image.digest: %w", err)
	}
	return Content{f.Name, f.Version, f.AppVersion,
		Images{Image{values.Image.Repository, proxy}, Image{values.Trial.Image.Repository, trial}}}, nil
}

// unpack returns files of the chart's own folder by name.
func unpack(archive io.Reader, names ...string) (map[string][]byte, error) {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for in := tar.NewReader(plain); ; {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		dir, name := path.Split(head.Name)
		if path.Dir(path.Clean(dir)) != "." {
			continue // in a folder below
		}
		content, err := io.ReadAll(io.LimitReader(in, maxFile))
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	for _, name := range names {
		if files[name] == nil {
			return nil, fmt.Errorf("the chart has no %s", name)
		}
	}
	return files, nil
}
