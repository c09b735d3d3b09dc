package statement

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/CycloneDX/cyclonedx-gomod/pkg/generate/bin"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rs/zerolog"
)

// Program is a built program.
type Program struct {
	Path     string // on disk
	Name     string // in the image or archive, such as "bin/proxy"
	Platform string // such as "linux/arm64"
}

// Names of the properties of a program's component.
const (
	propertyPath     = "signstash:path"
	propertyPlatform = "signstash:platform"
)

// ProgramsSBOM describes an image or an archive: the programs in it with their digests, and the Go
// modules that each was built from.
func ProgramsSBOM(subject cdx.Component, programs []Program, version string, at time.Time) (*cdx.BOM, error) {
	bom := newBOM(subject, at)
	modules := map[string]cdx.Component{}
	contains := cdx.Dependency{Ref: subject.BOMRef, Dependencies: &[]string{}}
	var components []cdx.Component
	var dependencies []cdx.Dependency
	for _, p := range programs {
		built, err := bin.NewGenerator(p.Path, bin.WithLogger(zerolog.Nop()), bin.WithIncludeStdlib(true),
			bin.WithVersionOverride("v"+version), bin.WithShortPURLS(true))
		if err != nil {
			return nil, err
		}
		found, err := built.Generate()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		component, err := p.component(*found.Metadata.Component)
		if err != nil {
			return nil, err
		}
		uses := cdx.Dependency{Ref: component.BOMRef, Dependencies: &[]string{}}
		for _, module := range *found.Components {
			modules[module.BOMRef] = module
			*uses.Dependencies = append(*uses.Dependencies, module.BOMRef)
		}
		slices.Sort(*uses.Dependencies)
		*contains.Dependencies = append(*contains.Dependencies, component.BOMRef)
		components, dependencies = append(components, component), append(dependencies, uses)
	}
	for _, ref := range sortedKeys(modules) {
		components = append(components, modules[ref])
	}
	dependencies = append([]cdx.Dependency{contains}, dependencies...)
	bom.Components, bom.Dependencies = &components, &dependencies
	return bom, number(bom)
}

// component returns the component of a program, from that of its main module.
func (p Program) component(main cdx.Component) (cdx.Component, error) {
	content, err := os.ReadFile(p.Path)
	if err != nil {
		return cdx.Component{}, err
	}
	sum := sha256.Sum256(content)
	main.BOMRef = p.Platform + "/" + p.Name
	main.Type = cdx.ComponentTypeApplication
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	main.Properties = &[]cdx.Property{{Name: propertyPath, Value: p.Name}, {Name: propertyPlatform, Value: p.Platform}}
	return main, nil
}

// ImagesSBOM describes a chart: the images that it installs.
func ImagesSBOM(subject cdx.Component, images []cdx.Component, at time.Time) (*cdx.BOM, error) {
	bom := newBOM(subject, at)
	contains := cdx.Dependency{Ref: subject.BOMRef, Dependencies: &[]string{}}
	for _, image := range images {
		*contains.Dependencies = append(*contains.Dependencies, image.BOMRef)
	}
	bom.Components, bom.Dependencies = &images, &[]cdx.Dependency{contains}
	return bom, number(bom)
}

// OCIComponent returns the component of an image or a chart in a registry.
func OCIComponent(kind cdx.ComponentType, name, version string, digest v1.Hash) cdx.Component {
	purl := "pkg:oci/" + name + "@" + digest.Algorithm + "%3A" + digest.Hex
	return cdx.Component{BOMRef: purl, Type: kind, Name: name, Version: version, PackageURL: purl,
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: digest.Hex}},
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}
}

// newBOM returns a document about subject. The time is that of the commit, so that two builds have
// the same document.
func newBOM(subject cdx.Component, at time.Time) *cdx.BOM {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: at.UTC().Format(time.RFC3339), Component: &subject,
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
			{Type: cdx.ComponentTypeApplication, Name: "cyclonedx-gomod", Version: gomodVersion()}}}}
	return bom
}

// number gives the document a serial number: a UUID that is derived from its content, of version 8
// (RFC 9562 5.8).
func number(bom *cdx.BOM) error {
	text, err := Encode(bom)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	return nil
}

// Encode returns the JSON of a document.
func Encode(bom *cdx.BOM) ([]byte, error) {
	var text bytes.Buffer
	err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return text.Bytes(), err
}

// ProgramDigests returns the SHA-256 of each program that a document describes, by platform and
// path.
func ProgramDigests(text []byte) (map[Program]string, error) {
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return nil, err
	}
	found := map[Program]string{}
	if bom.Components == nil {
		return found, nil
	}
	for _, c := range *bom.Components {
		if c.Properties == nil || c.Hashes == nil {
			continue
		}
		var p Program
		for _, property := range *c.Properties {
			switch property.Name {
			case propertyPath:
				p.Name = property.Value
			case propertyPlatform:
				p.Platform = property.Value
			}
		}
		if p.Name != "" {
			found[p] = (*c.Hashes)[0].Value
		}
	}
	return found, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
