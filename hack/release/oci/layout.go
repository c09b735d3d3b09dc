package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refName is the annotation of index.json with the tag (OCI image layout, annotations).
const refName = "org.opencontainers.image.ref.name"

// Layout is a repository that is being written to a folder. It is not safe for concurrent use.
type Layout struct {
	dir     string
	entries []v1.Descriptor
}

// Create starts a layout in the folder dir, which must not exist or be empty.
func Create(dir string) (*Layout, error) {
	return &Layout{dir: dir}, os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755)
}

// Add stores what write writes, and returns its descriptor.
func (l *Layout) Add(mediaType types.MediaType, write func(io.Writer) error) (v1.Descriptor, error) {
	file, err := os.CreateTemp(l.dir, ".blob-*")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer os.Remove(file.Name()) // does nothing after the rename
	counter := digester{hash: sha256.New()}
	err = write(io.MultiWriter(file, &counter))
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: mediaType, Size: counter.size, Digest: counter.digest()}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return v1.Descriptor{}, err
	}
	return d, os.Rename(file.Name(), blobPath(l.dir, d.Digest))
}

// AddBytes stores content, and returns its descriptor.
func (l *Layout) AddBytes(mediaType types.MediaType, content []byte) (v1.Descriptor, error) {
	return l.Add(mediaType, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// AddJSON stores the JSON of v, and returns its descriptor.
func (l *Layout) AddJSON(mediaType types.MediaType, v any) (v1.Descriptor, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return l.AddBytes(mediaType, content)
}

// Tag gives the manifest d a name.
func (l *Layout) Tag(d v1.Descriptor, tag string) {
	l.entries = append(l.entries, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest,
		ArtifactType: d.ArtifactType, Annotations: map[string]string{refName: tag}})
}

// Close writes the table of tags. Without it the layout is not complete.
func (l *Layout) Close() error {
	index, err := json.MarshalIndent(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Manifests: l.entries}, "", "  ")
	if err != nil {
		return err
	}
	version := []byte(`{"imageLayoutVersion":"1.0.0"}`)
	if err := os.WriteFile(filepath.Join(l.dir, "oci-layout"), version, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.dir, "index.json"), append(index, '\n'), 0o644)
}

func blobPath(dir string, digest v1.Hash) string {
	return filepath.Join(dir, "blobs", digest.Algorithm, digest.Hex)
}

// digester computes the digest and the size of what is written to it.
type digester struct {
	hash hash.Hash
	size int64
}

func (d *digester) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.hash.Write(p)
}

func (d *digester) digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(d.hash.Sum(nil))}
}

// Digest returns the digest of content.
func Digest(content []byte) v1.Hash {
	sum := sha256.Sum256(content)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// layoutSource reads a layout.
type layoutSource struct {
	dir  string
	tags map[string]v1.Descriptor
}

// OpenLayout returns the content of the layout in the folder dir.
func OpenLayout(dir string) (Source, error) {
	content, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, err
	}
	var index v1.IndexManifest
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&index); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "index.json"), err)
	}
	tags := map[string]v1.Descriptor{}
	for _, d := range index.Manifests {
		tag := d.Annotations[refName]
		if _, twice := tags[tag]; twice {
			return nil, fmt.Errorf("%s names the tag %q twice", filepath.Join(dir, "index.json"), tag)
		}
		tags[tag] = d
	}
	return layoutSource{dir, tags}, nil
}
