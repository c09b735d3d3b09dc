package statement

import (
	"encoding/json"
	"fmt"
	"time"
)

// Project is the address of the project, which the types of its statements begin with.
const Project = "https://github.com/signstash-proxy/signstash-proxy"

// BuildType says how a release is built: `make release` of this project, as README.md describes it.
const BuildType = Project + "/hack/release@v1"

// Build describes a build.
type Build struct {
	Version   string
	Registry  string // where the chart looks for its images; may be empty
	Platforms []string
	Builder   string // URI of who built
	SourceURI string
	Commit    string
	Dirty     bool // the tree had changes that are not in the commit
	At        time.Time
	Go        string            // version of the toolchain, such as "go1.26.8"
	Sums      map[string]string // SHA-256 of files that pin the modules, by path
	SBOMs     []Subject
}

// Provenance is a predicate of SLSA provenance, version 1 (slsa.dev/spec/v1.0/provenance). It has
// no times of the build and no name of the machine, so that two builds of a commit have the same.
type Provenance struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition says what was built from what.
type BuildDefinition struct {
	BuildType            string             `json:"buildType"`
	ExternalParameters   ExternalParameters `json:"externalParameters"`
	InternalParameters   InternalParameters `json:"internalParameters"`
	ResolvedDependencies []Resource         `json:"resolvedDependencies"`
}

// ExternalParameters are what the owner of the release decides.
type ExternalParameters struct {
	Source   Resource `json:"source"`
	Version  string   `json:"version"`
	Registry string   `json:"registry"`
}

// InternalParameters are what the build decides.
type InternalParameters struct {
	Platforms       []string `json:"platforms"`
	SourceDateEpoch int64    `json:"sourceDateEpoch"`
	ChangedTree     bool     `json:"changedTree"`
}

// Resource is a resource descriptor of in-toto.
type Resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// RunDetails says who built.
type RunDetails struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	Byproducts []Subject `json:"byproducts,omitempty"`
}

// Provenance returns the predicate for the build.
func (b Build) Provenance() Provenance {
	source := Resource{URI: "git+" + b.SourceURI, Digest: map[string]string{"gitCommit": b.Commit}}
	p := Provenance{BuildDefinition: BuildDefinition{
		BuildType:          BuildType,
		ExternalParameters: ExternalParameters{source, b.Version, b.Registry},
		InternalParameters: InternalParameters{b.Platforms, b.At.Unix(), b.Dirty},
		ResolvedDependencies: []Resource{source,
			{Name: b.Go, URI: "pkg:golang/std@" + b.Go[len("go"):]}},
	}}
	for _, path := range sortedKeys(b.Sums) {
		p.BuildDefinition.ResolvedDependencies = append(p.BuildDefinition.ResolvedDependencies,
			Resource{Name: path, URI: "git+" + b.SourceURI + "#" + path, Digest: map[string]string{"sha256": b.Sums[path]}})
	}
	p.RunDetails.Builder.ID = b.Builder
	p.RunDetails.Byproducts = b.SBOMs
	return p
}

// ParseProvenance reads the predicate of a statement and checks that it is of this project's builds
// and of this version.
func ParseProvenance(s Statement, version string) (Provenance, error) {
	var p Provenance
	if s.PredicateType != ProvenanceType {
		return p, fmt.Errorf("it is of type %q, want %q", s.PredicateType, ProvenanceType)
	}
	if err := json.Unmarshal(s.Predicate, &p); err != nil {
		return p, err
	}
	if got := p.BuildDefinition.BuildType; got != BuildType {
		return p, fmt.Errorf("it has the build type %q, want %q", got, BuildType)
	}
	if got := p.BuildDefinition.ExternalParameters.Version; got != version {
		return p, fmt.Errorf("it is of version %q, want %q", got, version)
	}
	return p, nil
}
