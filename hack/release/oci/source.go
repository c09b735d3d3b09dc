package oci

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ErrNotFound says that a repository has no such tag or content.
var ErrNotFound = errors.New("not found")

// maxManifest bounds manifests and other documents that are read into memory. The largest one is an
// SBOM in an attestation, of less than 2 MiB.
const maxManifest = 16 << 20

// Source is a repository that can be read: a layout or a repository of a registry.
type Source interface {
	// Resolve returns the descriptor of a tag, or an error that wraps ErrNotFound.
	Resolve(ctx context.Context, tag string) (v1.Descriptor, error)
	// Open returns the content of a descriptor. The content is not checked. Read and Copy check it.
	Open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// Read returns the content of a manifest or another document of at most 16 MiB. It fails if the
// content does not have the digest and the size of the descriptor.
func Read(ctx context.Context, s Source, d v1.Descriptor) ([]byte, error) {
	if d.Size > maxManifest {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", d.Digest, d.Size, maxManifest)
	}
	var content sink
	if err := Copy(ctx, &content, s, d); err != nil {
		return nil, err
	}
	return content, nil
}

type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// Copy writes the content of d to w. It fails if the content does not have the digest and the size
// of the descriptor. w may have received some of it by then.
func Copy(ctx context.Context, w io.Writer, s Source, d v1.Descriptor) error {
	if d.Digest.Algorithm != "sha256" || d.Size < 0 {
		return fmt.Errorf("the descriptor of %s is not valid", d.Digest)
	}
	r, err := s.Open(ctx, d)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	defer r.Close()
	counter := digester{hash: sha256.New()}
	if _, err := io.Copy(io.MultiWriter(w, &counter), io.LimitReader(r, d.Size+1)); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	if got := counter.digest(); got != d.Digest || counter.size != d.Size {
		return fmt.Errorf("%s (%d bytes) was changed: its content has the digest %s (%d bytes or more)",
			d.Digest, d.Size, got, counter.size)
	}
	return nil
}

func (s layoutSource) Resolve(_ context.Context, tag string) (v1.Descriptor, error) {
	d, ok := s.tags[tag]
	if !ok {
		return v1.Descriptor{}, fmt.Errorf("tag %s: %w", tag, ErrNotFound)
	}
	d.Annotations = nil
	return d, nil
}

func (s layoutSource) Open(_ context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := os.Open(blobPath(s.dir, d.Digest))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotFound
	}
	return f, err
}
