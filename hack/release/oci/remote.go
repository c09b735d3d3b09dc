package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry is where a release is published. The credentials are those of `docker login`.
type Registry struct {
	// Name is the host of the registry and the path of the repositories, such as
	// "registry.example.org/signing".
	Name string
	// PlainHTTP allows connections without TLS to loopback addresses.
	PlainHTTP bool
}

// repository returns the repository with this name below the registry.
func (r Registry) repository(repository string) (name.Repository, error) {
	return name.NewRepository(strings.TrimSuffix(r.Name, "/")+"/"+repository, name.StrictValidation)
}

func (r Registry) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(schemes{plainHTTP: r.PlainHTTP, next: remote.DefaultTransport}),
	}
}

// schemes is a transport that refuses connections without TLS. The registry client would fall back
// to them at private addresses.
type schemes struct {
	plainHTTP bool
	next      http.RoundTripper
}

func (s schemes) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Hostname()
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if req.URL.Scheme != "https" && !(s.plainHTTP && loopback) {
		return nil, fmt.Errorf("%s is not asked without TLS; -plain-http allows it for loopback addresses", req.URL.Host)
	}
	return s.next.RoundTrip(req)
}

// remoteSource reads a repository of a registry.
type remoteSource struct {
	registry   Registry
	repository name.Repository
}

// OpenRemote returns the content of a repository of the registry.
func OpenRemote(r Registry, repository string) (Source, error) {
	repo, err := r.repository(repository)
	return remoteSource{r, repo}, err
}

func (s remoteSource) Resolve(ctx context.Context, tag string) (v1.Descriptor, error) {
	got, err := remote.Get(s.repository.Tag(tag), s.registry.options(ctx)...)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("tag %s: %w", tag, notFound(err))
	}
	return v1.Descriptor{MediaType: got.MediaType, Size: got.Size, Digest: got.Digest}, nil
}

func (s remoteSource) Open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	ref := s.repository.Digest(d.Digest.String())
	if d.MediaType.IsImage() || d.MediaType.IsIndex() {
		got, err := remote.Get(ref, s.registry.options(ctx)...)
		if err != nil {
			return nil, notFound(err)
		}
		return io.NopCloser(bytes.NewReader(got.Manifest)), nil
	}
	layer, err := remote.Layer(ref, s.registry.options(ctx)...)
	if err != nil {
		return nil, err
	}
	r, err := layer.Compressed()
	return r, notFound(err)
}

// notFound returns err, as ErrNotFound if a registry answered so.
func notFound(err error) error {
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	return err
}

// Push copies the layout in the folder dir to a repository of the registry. Signatures and
// attestations come first, so that nobody finds a tag that is not signed yet. It refuses to replace
// a tag by other content.
func Push(ctx context.Context, dir string, r Registry, repository string) (pushed []string, err error) {
	repo, err := r.repository(repository)
	if err != nil {
		return nil, err
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	entries := slices.Clone(manifest.Manifests)
	slices.SortStableFunc(entries, func(a, b v1.Descriptor) int {
		return order(a.Annotations[refName]) - order(b.Annotations[refName])
	})
	for _, d := range entries {
		ref := repo.Tag(d.Annotations[refName])
		if err := push(ctx, index, d, ref, r.options(ctx)); err != nil {
			return pushed, fmt.Errorf("push %s: %w", ref, err)
		}
		pushed = append(pushed, ref.String()+"@"+d.Digest.String())
	}
	return pushed, nil
}

// order returns the rank of a tag: attached artifacts come before the tags of versions.
func order(tag string) int {
	if strings.HasPrefix(tag, "sha256-") {
		return 0
	}
	return 1
}

func push(ctx context.Context, index v1.ImageIndex, d v1.Descriptor, ref name.Tag, opts []remote.Option) error {
	there, err := remote.Head(ref, opts...)
	switch {
	case err == nil && there.Digest == d.Digest:
		return nil
	case err == nil:
		return fmt.Errorf("the registry has this tag with the digest %s, and a release is not replaced", there.Digest)
	case !errors.Is(notFound(err), ErrNotFound):
		return err
	}
	if d.MediaType.IsIndex() {
		images, err := index.ImageIndex(d.Digest)
		if err != nil {
			return err
		}
		return remote.WriteIndex(ref, images, opts...)
	}
	image, err := index.Image(d.Digest)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, opts...)
}

// Repositories returns the names of all layouts below the folder dir, sorted.
func Repositories(dir string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.Name() != "oci-layout" {
			return err
		}
		name, err := filepath.Rel(dir, filepath.Dir(path))
		found = append(found, filepath.ToSlash(name))
		return err
	})
	return found, err
}
