package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/hack/release/build"
	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// Folder verifies a release in the folder dir: the signed checksums of all files, and then the
// images and the chart.
func Folder(ctx context.Context, dir string, cfg Config) error {
	sums, err := verifySums(dir, cfg.Key)
	if err != nil {
		return err
	}
	cfg.Log("verified %s: %d files", build.SumsFile, len(sums))
	provenance, err := os.ReadFile(filepath.Join(dir, build.ProvenanceFile))
	if err != nil {
		return err
	}
	if cfg.Version == "" {
		if cfg.Version, err = versionOf(provenance); err != nil {
			return fmt.Errorf("%s: %w", build.ProvenanceFile, err)
		}
	}
	parts, err := repositories(ctx, cfg, func(name string) (oci.Source, error) {
		return oci.OpenLayout(filepath.Join(dir, build.LayoutFolder, filepath.FromSlash(name)))
	})
	if err != nil {
		return err
	}
	for _, repository := range slices.Sorted(maps.Keys(parts)) {
		if err := sameFiles(dir, repository, parts[repository], provenance); err != nil {
			return err
		}
	}
	return archives(provenance, sums)
}

// verifySums checks the signature of the checksums and every file in dir, and returns the
// checksums.
func verifySums(dir string, key cosign.PublicKey) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, build.SumsFile))
	if err != nil {
		return nil, err
	}
	encoded, err := os.ReadFile(filepath.Join(dir, build.SumsSignature))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: it has no signature", build.SumsFile)
	}
	if err != nil {
		return nil, err
	}
	sig, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(encoded)))
	if err != nil || !key.Verify(text, sig) {
		return nil, fmt.Errorf("%s: %w", build.SumsFile, cosign.ErrOtherKey)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return nil, fmt.Errorf("%s: the line %q is not valid", build.SumsFile, line)
		}
		sums[name] = sum
	}
	return sums, compareSums(dir, sums)
}

// compareSums compares the files in dir with the checksums.
func compareSums(dir string, sums map[string]string) error {
	found := map[string]bool{build.SumsFile: true, build.SumsSignature: true}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if found[name] {
			return nil
		}
		found[name] = true
		sum, err := sumOf(path, e)
		switch {
		case err != nil:
			return err
		case sums[name] == "":
			return fmt.Errorf("%s: the file is not in %s", name, build.SumsFile)
		case sums[name] != sum:
			return fmt.Errorf("%s: the file was changed: it has the checksum %s, want %s", name, sum, sums[name])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if !found[name] {
			return fmt.Errorf("%s: the file is missing", name)
		}
	}
	return nil
}

func sumOf(path string, e fs.DirEntry) (string, error) {
	if !e.Type().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

func versionOf(provenance []byte) (string, error) {
	var s statement.Statement
	if err := json.Unmarshal(provenance, &s); err != nil {
		return "", err
	}
	var p statement.Provenance
	err := json.Unmarshal(s.Predicate, &p)
	return p.BuildDefinition.ExternalParameters.Version, err
}

// sameFiles checks that the files with provenance and SBOM say what was signed.
func sameFiles(dir, repository string, p part, provenance []byte) error {
	if !bytes.Equal(bytes.TrimSpace(provenance), p.provenance) {
		return fmt.Errorf("%s: it differs from the signed provenance of %s", build.ProvenanceFile, repository)
	}
	name := build.SBOMFile(repository)
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !bytes.Equal(compact.Bytes(), p.sbom) {
		return fmt.Errorf("%s: it differs from the signed SBOM of %s", name, repository)
	}
	return nil
}

// archives checks that the provenance names every file to download.
func archives(provenance []byte, sums map[string]string) error {
	var s statement.Statement
	if err := json.Unmarshal(provenance, &s); err != nil {
		return err
	}
	subjects := map[string]string{}
	for _, subject := range s.Subject {
		subjects[subject.Name] = subject.Digest["sha256"]
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if strings.Contains(name, "/") || name == build.ProvenanceFile {
			continue
		}
		if subjects[name] != sums[name] {
			return fmt.Errorf("provenance: it is not about %s with the checksum %s", name, sums[name])
		}
	}
	return nil
}
