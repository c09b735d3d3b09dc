package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

const (
	// maxFileBytes bounds the YAML file. All settings with their longest paths take a few kilobytes.
	maxFileBytes = 1 << 20
	// maxFileDepth bounds the nesting. The longest name has eight parts.
	maxFileDepth = 16
)

// file reads the settings of the YAML file at path. It returns nil if path is empty.
func (l *loader) file(path string) map[string]given {
	if path == "" {
		return nil
	}
	root, err := readYAML(path)
	if err != nil {
		l.mistake("%v", err)
		return nil
	}
	f := &yamlFile{loader: l, path: path, values: make(map[string]given)}
	if root != nil {
		f.mapping("", root, 0)
	}
	return f.values
}

// readYAML returns the root of the only document in the file, or nil if the file is empty.
func readYAML(path string) (*yaml.Node, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read --config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read --config: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("read --config: %s is larger than %s", path, formatSize(maxFileBytes))
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read --config: %s: %w", path, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read --config: %s holds more than one YAML document", path)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// yamlFile turns nested mappings into dotted names.
type yamlFile struct {
	*loader
	path   string
	values map[string]given
}

func (f *yamlFile) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.path, n.Line) }

// mapping reads the keys of n. prefix is the dotted name so far, including its last dot.
func (f *yamlFile) mapping(prefix string, n *yaml.Node, depth int) {
	if n.Kind != yaml.MappingNode || depth > maxFileDepth {
		f.mistake("%s: want settings as name: value", f.at(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			f.mistake("%s: want the name of a setting", f.at(key))
			continue
		}
		f.setting(prefix+key.Value, key, value, depth)
	}
}

// setting reads one value, or the settings that are nested below a name.
func (f *yamlFile) setting(name string, key, value *yaml.Node, depth int) {
	known := f.declared.find(name) != nil
	switch {
	case value.Kind == yaml.AliasNode:
		f.mistake("%s: %s: aliases are not supported", f.at(value), name)
	case lists[name] != nil:
		lists[name](f, name, key, value)
	case value.Kind == yaml.MappingNode:
		f.mapping(name+".", value, depth+1)
	case !known:
		f.mistake("%s: unknown setting %s%s", f.at(key), name, f.declared.closest(name))
	case value.Kind != yaml.ScalarNode:
		f.mistake("%s: %s: want one value", f.at(value), name)
	case name == "config":
		f.mistake("%s: config cannot be set in the file itself", f.at(key))
	case f.values[name].origin != "":
		f.mistake("%s: %s is there twice", f.at(key), name)
	case value.Tag == "!!null":
		f.values[name] = given{"", f.at(value)}
	default:
		f.values[name] = given{value.Value, f.at(value) + ": " + name}
	}
}
