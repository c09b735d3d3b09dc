package affinity

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// TestFilesKeepTheLastGood: a peers file that cannot be read takes nobody away, and the instance goes by the name that its peers know.
func TestFilesKeepTheLastGood(t *testing.T) {
	file := filepath.Join(t.TempDir(), DirectoryKey)
	registry := prometheus.NewRegistry()
	f, err := NewFiles(FilesConfig{
		PeersFile: file, Instance: "uid", Guess: Endpoint{Name: "machine", Ordinal: 1}, Log: logr.Discard(), Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	content := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f.look()
	}
	name := func(want string) {
		t.Helper()
		if e, known := f.Endpoint(); e.Name != want || !known {
			t.Errorf("Endpoint = %+v, %v, want the name %s", e, known, want)
		}
	}
	expected := func(want float64) {
		t.Helper()
		if got := gauge(t, registry, "signstash_instances_expected"); got != want {
			t.Errorf("%v instances are expected, want %v", got, want)
		}
	}
	name("machine")
	expected(0)
	good := `{"expected": 2, "ever": 2, "endpoints": [{"name": "p-1", "ordinal": 1, "instance": "uid", "host": "h", "port": 1, "unheard": true}]}`
	content(good)
	name("p-1")
	for _, bad := range []string{"{", `{"expected": -1}`, `{"endpoints": [{"name": "p-0", "host": "h h", "port": 1}]}`, "", "null and more"} {
		content(bad)
		if d := f.Directory(); d.Expected != 2 || len(d.Endpoints) != 1 {
			t.Errorf("after %q the directory is %+v, want the last good one", bad, d)
		}
	}
	expected(2)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.look()
	name("p-1")
	content(`{"expected": 2, "endpoints": [{"name": "p-9", "ordinal": 1, "instance": "another run", "host": "h", "port": 1}]}`)
	name("machine")
}

// TestFromFile: monitoring can tell instances that wait for a controller from those that need none.
func TestFromFile(t *testing.T) {
	for file, want := range map[string]float64{"": 0, filepath.Join(t.TempDir(), "endpoint"): 1} {
		registry := prometheus.NewRegistry()
		if _, err := NewFiles(FilesConfig{EndpointFile: file, Log: logr.Discard(), Registerer: registry}); err != nil {
			t.Fatal(err)
		}
		if got, known := gauge(t, registry, "signstash_endpoint_from_file"), gauge(t, registry, "signstash_endpoint_known"); got != want || known != 1-want {
			t.Errorf("with file %q: from a file %v, want %v; known %v", file, got, want, known)
		}
	}
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
