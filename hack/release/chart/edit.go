package chart

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// edit replaces scalar values in a YAML text, by their dotted paths. Comments and all else stay.
// Each path must exist, as a plain or quoted scalar on one line.
func edit(text []byte, values map[string]string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(text), "\n")
	for path, value := range values {
		node := find(&doc, strings.Split(path, "."))
		if node == nil || node.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("no scalar value %s", path)
		}
		line := lines[node.Line-1]
		head, tail := line[:node.Column-1], line[node.Column-1:]
		old := scalarText(tail)
		quoted, err := json.Marshal(value) // a JSON string is a YAML scalar in double quotes
		if err != nil {
			return nil, err
		}
		lines[node.Line-1] = head + string(quoted) + tail[len(old):]
	}
	out := []byte(strings.Join(lines, ""))
	return out, check(out, values)
}

// scalarText returns the scalar at the beginning of text.
func scalarText(text string) string {
	text = strings.TrimRight(text, "\r\n")
	if q := text[:min(1, len(text))]; q == `"` || q == "'" {
		if end := strings.Index(text[1:], q); end >= 0 {
			return text[:end+2]
		}
	}
	text, _, _ = strings.Cut(text, " #")
	return strings.TrimRight(text, " ")
}

// check parses the edited text again.
func check(text []byte, values map[string]string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	for path, value := range values {
		if node := find(&doc, strings.Split(path, ".")); node == nil || node.Value != value {
			return fmt.Errorf("could not set %s", path)
		}
	}
	return nil
}

// find returns the value at a path, or nil.
func find(node *yaml.Node, path []string) *yaml.Node {
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	if len(path) == 0 {
		return node
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	// A key may contain dots, as annotations do: try the longest key first.
	for n := len(path); n > 0; n-- {
		key := strings.Join(path[:n], ".")
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return find(node.Content[i+1], path[n:])
			}
		}
	}
	return nil
}
