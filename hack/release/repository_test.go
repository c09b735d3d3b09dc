package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
)

// repository changes a layout, as somebody does who can write to a registry but has no key.
type repository struct {
	t   *testing.T
	dir string
}

// repo returns a repository of the release in the folder dir.
func repo(t *testing.T, dir, name string) repository {
	return repository{t, filepath.Join(dir, build.LayoutFolder, filepath.FromSlash(name))}
}

func (r repository) index() v1.IndexManifest {
	var index v1.IndexManifest
	r.decode(filepath.Join(r.dir, "index.json"), &index)
	return index
}

func (r repository) decode(file string, v any) {
	r.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := json.Unmarshal(content, v); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) encode(v any) []byte {
	r.t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	return content
}

// blob returns the file of a blob.
func (r repository) blob(d v1.Hash) string { return filepath.Join(r.dir, "blobs", "sha256", d.Hex) }

// read returns the content of a blob.
func (r repository) read(d v1.Hash) []byte {
	r.t.Helper()
	content, err := os.ReadFile(r.blob(d))
	if err != nil {
		r.t.Fatal(err)
	}
	return content
}

// add stores a blob, and returns d with its digest and size.
func (r repository) add(d v1.Descriptor, content []byte) v1.Descriptor {
	d.Digest, d.Size = oci.Digest(content), int64(len(content))
	write(r.t, r.blob(d.Digest), string(content))
	return d
}

const tagAnnotation = "org.opencontainers.image.ref.name"

// find returns the descriptor of the tag.
func (r repository) find(tag string) v1.Descriptor {
	r.t.Helper()
	index := r.index()
	i := slices.IndexFunc(index.Manifests, func(d v1.Descriptor) bool { return d.Annotations[tagAnnotation] == tag })
	if i < 0 {
		r.t.Fatalf("no tag %s", tag)
	}
	return index.Manifests[i]
}

// tag moves a tag to other content. A zero descriptor removes the tag.
func (r repository) tag(tag string, to v1.Descriptor) {
	r.t.Helper()
	index := r.index()
	index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[tagAnnotation] == tag
	})
	if to.Size > 0 {
		to.Annotations, to.Platform = map[string]string{tagAnnotation: tag}, nil
		index.Manifests = append(index.Manifests, to)
	}
	write(r.t, filepath.Join(r.dir, "index.json"), string(r.encode(index)))
}

// change rewrites the manifest of a tag, which moves the tag.
func (r repository) change(tag string, f func(*v1.Manifest)) {
	r.t.Helper()
	d := r.find(tag)
	var m v1.Manifest
	r.decode(r.blob(d.Digest), &m)
	f(&m)
	r.tag(tag, r.add(d, r.encode(m)))
}

// images returns the index of a tag.
func (r repository) images(tag string) v1.IndexManifest {
	var index v1.IndexManifest
	r.decode(r.blob(r.find(tag).Digest), &index)
	return index
}

// layer returns the layer of the image for the platform with this number.
func (r repository) layer(tag string, platform int) v1.Descriptor {
	var m v1.Manifest
	r.decode(r.blob(r.images(tag).Manifests[platform].Digest), &m)
	return m.Layers[0]
}

// copyTo copies all blobs and the attached artifacts to another repository.
func (r repository) copyTo(other repository) {
	entries, err := os.ReadDir(filepath.Join(r.dir, "blobs", "sha256"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		hash := v1.Hash{Algorithm: "sha256", Hex: e.Name()}
		write(r.t, other.blob(hash), string(r.read(hash)))
	}
	for _, d := range r.index().Manifests {
		if tag := d.Annotations[tagAnnotation]; strings.HasPrefix(tag, "sha256-") {
			other.tag(tag, d)
		}
	}
}

// attached returns the tag of what is attached to a digest: "sig" or "att".
func attached(d v1.Hash, kind string) string { return "sha256-" + d.Hex + "." + kind }
