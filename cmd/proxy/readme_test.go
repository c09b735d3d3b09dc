package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// yamlStart is the first line of an example of the configuration file.
var yamlStart = regexp.MustCompile(`^[a-z][A-Za-z]*:( *$| [^"']*$)`)

// readmeYAML returns the examples of the configuration file in pkg/config/README.md. They are
// indented blocks that begin with a key.
func readmeYAML(t *testing.T) (examples []string) {
	t.Helper()
	text, err := os.ReadFile("../../pkg/config/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	for line := range strings.Lines(string(text) + "\nend\n") {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			block.WriteString(code)
			continue
		}
		if first, _, _ := strings.Cut(block.String(), "\n"); yamlStart.MatchString(first) {
			examples = append(examples, block.String())
		}
		block.Reset()
	}
	return examples
}

// secretPath matches a path in the examples that must exist.
var secretPath = regexp.MustCompile(`/secrets/[a-z0-9.-]+`)

// TestReadmeConfiguration reads the examples of pkg/config/README.md as the program reads its
// configuration file.
func TestReadmeConfiguration(t *testing.T) {
	examples := readmeYAML(t)
	if len(examples) == 0 {
		t.Fatal("pkg/config/README.md has no example of a configuration file")
	}
	var kinds, authorities []string
	for _, example := range examples {
		dir := t.TempDir()
		for _, path := range secretPath.FindAllString(example, -1) {
			secretIn(t, dir, filepath.Base(path), "a secret")
		}
		file := secretIn(t, dir, "config.yaml", strings.ReplaceAll(example, "/secrets/", dir+"/"))
		cfg, err := config.Load(
			config.Input{Args: []string{"--config=" + file}, HostName: "proxy-0", ProviderKinds: providerKinds()},
		)
		if err != nil {
			t.Errorf("example:\n%s\n%v", example, err)
			continue
		}
		for _, p := range cfg.Providers {
			kinds = append(kinds, p.Kind)
		}
		for _, a := range cfg.Timestamp.Authorities {
			authorities = append(authorities, a.URL)
		}
	}
	if want := []string{"csc", "safe"}; !slices.Equal(kinds, want) {
		t.Errorf("the examples configure providers %v, want %v", kinds, want)
	}
	if want := []string{"http://ts.example.org/tsa", "https://tsa.example.net"}; !slices.Equal(authorities, want) {
		t.Errorf("the examples configure timestamp authorities %v, want %v", authorities, want)
	}
}

// secretIn writes a file that only its owner may read, and returns its path.
func secretIn(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
