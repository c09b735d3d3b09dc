package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestGenerated compares the generated files with their sources.
func TestGenerated(t *testing.T) {
	for name, generate := range generated {
		want, err := generate("../../" + folder)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../..", folder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what values.yaml says (%v): run `make generate`", name, err)
		}
	}
}

// TestUndocumented checks that a value without a comment is an error.
func TestUndocumented(t *testing.T) {
	for text, ok := range map[string]bool{
		"# -- One.\none: 1\n": true,
		"one: 1\n":            false,
		"# One.\none: 1\n":    false,
		"map:\n  # -- One.\n  one: 1\n  two: 2\n":    false,
		"map:\n  # -- One.\n  one: 1\n":              true,
		"# -- All of it.\nmap: {one: 1, two: [2]}\n": true,
	} {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		if _, err := values(doc.Content[0], ""); (err == nil) != ok {
			t.Errorf("values of %q: %v", text, err)
		}
	}
}
