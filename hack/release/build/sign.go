package build

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/signstash-proxy/signstash-proxy/hack/release/cosign"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// SBOMFile returns the name of the file with the SBOM of an image or the chart.
func SBOMFile(repository string) string {
	if repository == ChartRepository {
		return SBOMFolder + "/chart.cdx.json"
	}
	return SBOMFolder + "/" + path.Base(repository) + ".cdx.json"
}

func (r *release) writeSBOMs() error {
	for _, part := range r.parts {
		if err := r.write(SBOMFile(part.repository), part.sbom); err != nil {
			return err
		}
	}
	return nil
}

// provenance returns the statement about everything in the release.
func (r *release) provenance() ([]byte, error) {
	sums, err := r.source.sums()
	if err != nil {
		return nil, err
	}
	b := statement.Build{Version: r.source.Version, Registry: r.Registry, Builder: r.Builder, SourceURI: r.SourceURI,
		Commit: r.source.Commit, Dirty: r.source.Dirty, At: r.source.At, Go: r.source.Go, Sums: sums}
	for _, p := range r.Platforms {
		b.Platforms = append(b.Platforms, p.String())
	}
	var subjects []statement.Subject
	for _, part := range r.parts {
		subjects = append(subjects, part.subjects()...)
		b.SBOMs = append(b.SBOMs, statement.NewSubject(SBOMFile(part.repository), oci.Digest(part.sbom)))
	}
	return statement.New(statement.ProvenanceType, b.Provenance(), append(subjects, r.files...)...)
}

// addStatements writes the provenance, and attaches signatures and attestations to everything that
// is pushed.
func (r *release) addStatements() error {
	provenance, err := r.provenance()
	if err != nil {
		return err
	}
	if err := r.write(ProvenanceFile, append(provenance, '\n')); err != nil {
		return err
	}
	if r.Key == nil {
		return nil
	}
	sealed, err := cosign.Seal(*r.Key, provenance)
	if err != nil {
		return err
	}
	for _, part := range r.parts {
		attestation := cosign.Attestation{PredicateType: statement.ProvenanceType, Envelope: sealed}
		if err := r.attach(part, attestation); err != nil {
			return err
		}
	}
	return nil
}

// attach signs a part of the release, and the images of its platforms.
func (r *release) attach(part artifact, provenance cosign.Attestation) error {
	sbom, err := statement.New(statement.SBOMType, json.RawMessage(part.sbom), part.subjects()...)
	if err != nil {
		return err
	}
	sealed, err := cosign.Seal(*r.Key, sbom)
	if err != nil {
		return err
	}
	attestations := []cosign.Attestation{{PredicateType: statement.SBOMType, Envelope: sealed}, provenance}
	for _, digest := range part.digests() {
		payload := cosign.NewPayload(part.repository, r.source.Version, digest)
		if err := cosign.Attach(r.layouts[part.repository], *r.Key, payload, attestations); err != nil {
			return err
		}
	}
	return nil
}

// writeSums writes the checksums of all files of the release, and their signature. It is the last
// step.
func (r *release) writeSums() error {
	var sums bytes.Buffer
	err := filepath.WalkDir(r.Out, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(r.Out, file)
		fmt.Fprintf(&sums, "%s  %s\n", oci.Digest(content).Hex, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	if err := r.write(SumsFile, sums.Bytes()); err != nil || r.Key == nil {
		return err
	}
	sig, err := r.Key.Sign(sums.Bytes())
	if err != nil {
		return err
	}
	return r.write(SumsSignature, []byte(base64.StdEncoding.EncodeToString(sig)))
}
