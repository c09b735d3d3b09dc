package build

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/signstash-proxy/signstash-proxy/hack/release/image"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// container describes one of the images.
type container struct {
	repository string
	title      string
	dockerfile string   // gives the configuration
	programs   []string // in /bin
	files      []image.File
}

// containers returns the images. hack/image builds the same ones for a container engine.
func (r *release) containers() ([]container, error) {
	authorities, err := image.Authorities()
	if err != nil {
		return nil, err
	}
	licence := image.File{Name: "LICENSE", Mode: 0o644, Path: filepath.Join(r.Top, "LICENSE")}
	return []container{
		{ProxyRepository, "signstash-proxy", "Dockerfile", productPrograms, []image.File{
			{Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: authorities},
			licence, {Name: "home/", Mode: 0o755}, {Name: "tmp/", Mode: 0o1777},
		}},
		// The simulated service writes the file from which it derives its keys to /home.
		{TrialRepository, "signstash-trial, a SIMULATED signing service", "hack/signingservice/Dockerfile", trialPrograms,
			[]image.File{licence, {Name: "home/", Mode: 0o1777}}},
	}, nil
}

// addImages builds the images and their SBOMs.
func (r *release) addImages() error {
	containers, err := r.containers()
	if err != nil {
		return err
	}
	for _, c := range containers {
		r.Log("build the image %s:%s", c.repository, r.source.Version)
		part, err := r.addImage(c)
		if err != nil {
			return err
		}
		r.parts = append(r.parts, part)
	}
	return nil
}

func (r *release) addImage(c container) (artifact, error) {
	dockerfile, err := os.ReadFile(filepath.Join(r.Top, filepath.FromSlash(c.dockerfile)))
	if err != nil {
		return artifact{}, err
	}
	config, err := image.ParseDockerfile(string(dockerfile))
	if err != nil {
		return artifact{}, err
	}
	index, err := image.Build(r.layouts[c.repository], r.source.Version, image.Config{
		Config: config, Labels: r.labels(c.title), Created: r.source.At, Platforms: r.Platforms,
		Files: func(p image.Platform) []image.File {
			files := slices.Clone(c.files)
			for _, program := range c.programs {
				files = append(files, image.File{Name: "bin/" + path.Base(program), Mode: 0o755,
					Path: programFile(r.programs, program, p)})
			}
			return files
		},
	})
	if err != nil {
		return artifact{}, err
	}
	return r.imageArtifact(c, index)
}

func (r *release) imageArtifact(c container, index image.Index) (artifact, error) {
	part := artifact{repository: c.repository, digest: index.Digest}
	var programs []statement.Program
	for i, p := range r.Platforms {
		part.manifests = append(part.manifests, index.Manifests[i].Digest)
		for _, program := range c.programs {
			programs = append(programs, statement.Program{Path: programFile(r.programs, program, p),
				Name: "bin/" + path.Base(program), Platform: p.String()})
		}
	}
	subject := statement.OCIComponent(cdx.ComponentTypeContainer, c.repository, r.source.Version, index.Digest)
	bom, err := statement.ProgramsSBOM(subject, programs, r.source.Version, r.source.At)
	if err != nil {
		return artifact{}, err
	}
	part.sbom, err = statement.Encode(bom)
	return part, err
}

// labels returns the labels of an image (OCI image specification, annotations).
func (r *release) labels(title string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    title,
		"org.opencontainers.image.version":  r.source.Version,
		"org.opencontainers.image.revision": r.source.Commit,
		"org.opencontainers.image.created":  r.source.At.Format(time.RFC3339),
		"org.opencontainers.image.source":   r.SourceURI,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
}

// digest returns the digest of a part of the release.
func (r *release) digest(repository string) v1.Hash {
	for _, part := range r.parts {
		if part.repository == repository {
			return part.digest
		}
	}
	return v1.Hash{}
}
