package xades

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// DefaultProfile is the profile of requests that name none.
const DefaultProfile = "baseline"

//go:embed profiles.yaml
var embeddedYAML []byte

// Limits of a file with profiles. The embedded one has 15 KB and eight profiles.
const (
	maxProfileBytes = 1 << 20
	maxProfiles     = 256
)

// Profiles are profiles by name. It is not changed after it was made, and so is safe for concurrent
// use.
type Profiles struct{ byName map[string]*Profile }

// embedded are the profiles of this package. A test reads them all, so parsing cannot fail.
var embedded = sync.OnceValue(func() *Profiles {
	p := &Profiles{byName: map[string]*Profile{}}
	specs := map[string]*spec{}
	if err := p.read(embeddedYAML, specs); err != nil {
		panic(err)
	}
	return p
})

// EmbeddedProfiles returns the profiles of this package.
func EmbeddedProfiles() *Profiles { return embedded() }

// ParseProfiles returns the embedded profiles together with those of a YAML file, which may replace
// embedded ones. README.md describes the file. The error joins all mistakes.
func ParseProfiles(file []byte) (*Profiles, error) {
	p := &Profiles{byName: map[string]*Profile{}}
	specs := map[string]*spec{}
	if err := p.read(embeddedYAML, specs); err != nil {
		return nil, err
	}
	if err := p.read(file, specs); err != nil {
		return nil, err
	}
	return p, nil
}

// Names returns the names of the profiles in alphabetical order.
func (p *Profiles) Names() []string { return slices.Sorted(maps.Keys(p.byName)) }

// profile returns the profile with the name; empty = DefaultProfile. The error of KindInvalid names
// the known profiles.
func (p *Profiles) profile(name string) (*Profile, error) {
	if name == "" {
		name = DefaultProfile
	}
	found := p.byName[name]
	if found == nil {
		return nil, signing.Errorf(signing.KindInvalid, "profile %s is not known, the known ones are %s", quoted(name),
			strings.Join(p.Names(), ", "))
	}
	return found, nil
}

// profileName is what profiles can be called. Names are in requests and in error texts.
var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// read adds the profiles of a file. specs has what was read of the profiles so far, because a
// profile can be based on another one.
func (p *Profiles) read(file []byte, specs map[string]*spec) error {
	if len(file) > maxProfileBytes {
		return fmt.Errorf("profiles: the file is larger than %d bytes", maxProfileBytes)
	}
	root, err := mappingOf(file)
	if err != nil || root == nil {
		return err
	}
	var mistakes []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, body := root.Content[i].Value, root.Content[i+1]
		switch {
		case !profileName.MatchString(name):
			err = fmt.Errorf("profile %q: a name has small letters, digits, dots and hyphens, and at most 64 of them", name)
		case seen[name]:
			err = fmt.Errorf("profile %s is there twice", name)
		case len(p.byName) >= maxProfiles:
			return fmt.Errorf("profiles: there are more than %d", maxProfiles)
		default:
			err = p.add(name, body, specs)
		}
		seen[name] = true
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// mappingOf returns the mapping that a YAML file consists of, or nil if the file is empty.
func mappingOf(file []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(file))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("profiles: %w", err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("profiles: the file holds more than one YAML document")
	}
	root := doc.Content[0]
	switch {
	case root.Tag == "!!null":
		return nil, nil
	case root.Kind != yaml.MappingNode:
		return nil, errors.New("profiles: want a mapping from names to profiles")
	case hasAlias(root):
		return nil, errors.New("profiles: anchors and aliases are not supported")
	}
	return root, nil
}

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, hasAlias)
}

// add reads one profile. It starts with the values of the profile that it is based on.
func (p *Profiles) add(name string, body *yaml.Node, specs map[string]*spec) error {
	var header struct {
		Base string `yaml:"base"`
	}
	if body.Kind != yaml.MappingNode {
		return fmt.Errorf("profile %s: want a mapping with the fields of a profile", name)
	}
	if err := body.Decode(&header); err != nil {
		return fmt.Errorf("profile %s: %w", name, withoutLines(err))
	}
	s := &spec{}
	if base := header.Base; base != "" {
		if specs[base] == nil {
			return fmt.Errorf("profile %s: base: there is no profile %q before it", name, base)
		}
		s = specs[base].clone()
	} else if specs[DefaultProfile] != nil {
		s = specs[DefaultProfile].clone()
	}
	if err := decodeStrictly(body, s); err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	made, err := s.profile(name)
	if err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	specs[name], p.byName[name] = s, made
	return nil
}

// unknownField matches the error text of pkg yaml for a field that a struct does not have, and
// otherLine what its other error texts start with. The lines would be those of a part of the file.
var (
	unknownField = regexp.MustCompile(`^line \d+: field (.*) not found in type .*$`)
	otherLine    = regexp.MustCompile(`^line \d+: `)
)

// decodeStrictly decodes a node and refuses unknown fields.
func decodeStrictly(n *yaml.Node, into any) error {
	text, err := yaml.Marshal(n)
	if err != nil {
		return err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return withoutLines(d.Decode(into))
}

// withoutLines returns the mistakes of an error of pkg yaml in the words of a profile.
func withoutLines(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	var mistakes []error
	for _, text := range wrong.Errors {
		if m := unknownField.FindStringSubmatch(text); m != nil {
			text = "there is no field " + m[1]
		}
		mistakes = append(mistakes, errors.New(otherLine.ReplaceAllString(text, "")))
	}
	return errors.Join(mistakes...)
}
