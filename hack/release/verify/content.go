package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/chart"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// content reads everything that the image for a platform consists of, and adds the digests of its
// programs to found.
func (c checker) content(ctx context.Context, d v1.Descriptor, platform string,
	found map[statement.Program]string) error {
	var m v1.Manifest
	if err := c.readJSON(ctx, d, &m); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if _, err := oci.Read(ctx, c.source, m.Config); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	for _, layer := range m.Layers {
		err := c.copyTo(ctx, layer, func(r io.Reader) error { return readPrograms(r, platform, found) })
		if err != nil {
			return fmt.Errorf("layer: %w", err)
		}
	}
	return nil
}

// readPrograms adds the digests of the programs in a layer to found.
func readPrograms(layer io.Reader, platform string, found map[statement.Program]string) error {
	plain, err := gzip.NewReader(layer)
	if err != nil {
		return err
	}
	for in := tar.NewReader(plain); ; {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head.Typeflag != tar.TypeReg || head.Mode&0o111 == 0 {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, in); err != nil {
			return err
		}
		found[statement.Program{Name: head.Name, Platform: platform}] = hex.EncodeToString(sum.Sum(nil))
	}
}

// comparePrograms compares the programs of an image with those that its SBOM describes.
func comparePrograms(found, described map[statement.Program]string) error {
	all := slices.Concat(slices.Collect(maps.Keys(found)), slices.Collect(maps.Keys(described)))
	slices.SortFunc(all, func(a, b statement.Program) int {
		return strings.Compare(a.Platform+a.Name, b.Platform+b.Name)
	})
	for _, p := range all {
		if found[p] != described[p] {
			return fmt.Errorf("SBOM: program %s for %s has the digest %q in the image and %q in the SBOM",
				p.Name, p.Platform, found[p], described[p])
		}
	}
	return nil
}

// chartContent checks what the packaged chart says about itself.
func (c checker) chartContent(archive []byte, parts map[string]part) error {
	content, err := chart.Inspect(bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	if content.Version != c.Version || content.AppVersion != c.Version {
		return fmt.Errorf("chart: it has the version %q and the appVersion %q, want %q",
			content.Version, content.AppVersion, c.Version)
	}
	for repository, image := range map[string]chart.Image{
		build.ProxyRepository: content.Images.Proxy, build.TrialRepository: content.Images.Trial,
	} {
		if want := parts[repository].digest; image.Digest != want {
			return fmt.Errorf("chart: it installs %s@%s, but the release has the digest %s",
				image.Repository, image.Digest, want)
		}
	}
	return nil
}
