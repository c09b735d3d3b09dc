package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// schema returns values.schema.json with the comments in values.yaml as descriptions. It keeps the
// order of the keys.
func schema(folder string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(folder, "values.schema.json"))
	if err != nil {
		return nil, err
	}
	var doc yaml.Node // JSON is YAML, and a node keeps the order
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, fmt.Errorf("values.schema.json: %w", err)
	}
	defaults, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	var values yaml.Node
	if err := yaml.Unmarshal(defaults, &values); err != nil {
		return nil, fmt.Errorf("values.yaml: %w", err)
	}
	describe(values.Content[0], doc.Content[0])
	compact, err := encode(doc.Content[0])
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// describe writes the comment of each value into the schema of that value.
func describe(values, schema *yaml.Node) {
	properties := member(schema, "properties")
	if properties == nil {
		return
	}
	for i := 0; i+1 < len(values.Content); i += 2 {
		key, value := values.Content[i], values.Content[i+1]
		below := member(properties, key.Value)
		if below == nil {
			continue // a test of the chart reports it
		}
		if text, ok := comment(key); ok {
			setFirst(below, "description", text)
		} else if value.Kind == yaml.MappingNode {
			describe(value, below)
		}
	}
}

// member returns the value of a key, or nil.
func member(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// setFirst sets a key to a text. A new key comes first.
func setFirst(m *yaml.Node, key, text string) {
	if v := member(m, key); v != nil {
		v.SetString(text)
		return
	}
	k, v := &yaml.Node{}, &yaml.Node{}
	k.SetString(key)
	v.SetString(text)
	m.Content = append([]*yaml.Node{k, v}, m.Content...)
}

// encode returns a node as JSON.
func encode(n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.ScalarNode {
		var x any
		if err := n.Decode(&x); err != nil {
			return nil, err
		}
		return scalar(x)
	}
	var out bytes.Buffer
	open, end := byte('['), byte(']')
	if n.Kind == yaml.MappingNode {
		open, end = '{', '}'
	}
	out.WriteByte(open)
	for i, child := range n.Content {
		text, err := encode(child)
		if err != nil {
			return nil, err
		}
		switch {
		case i == 0:
		case n.Kind == yaml.MappingNode && i%2 == 1:
			out.WriteByte(':')
		default:
			out.WriteByte(',')
		}
		out.Write(text)
	}
	out.WriteByte(end)
	return out.Bytes(), nil
}

// scalar returns a scalar as JSON, with < and > as they are.
func scalar(x any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(x)
	return bytes.TrimSpace(out.Bytes()), err
}
