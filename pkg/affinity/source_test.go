package affinity

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestFilesKeepTheLastGood checks that an unreadable peers file does not change the known peers,
// and that the instance uses the name that its peers know.
func TestFilesKeepTheLastGood(t *testing.T) {
	file := filepath.Join(t.TempDir(), DirectoryKey)
	registry := prometheus.NewRegistry()
	identity := NewIdentity("uid")
	f, err := NewFiles(FilesConfig{
		PeersFile:  file,
		Identity:   identity,
		Guess:      Endpoint{Name: "machine", Ordinal: 1},
		Log:        logr.Discard(),
		Registerer: registry,
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
	for _, bad := range []string{
		"{", `{"expected": -1}`, `{"endpoints": [{"name": "p-0", "host": "h h", "port": 1}]}`, "", "null and more",
	} {
		content(bad)
		if d, known := f.Directory(); d.Expected != 2 || len(d.Endpoints) != 1 || !known {
			t.Errorf("after %q the directory is %+v, want the last good one", bad, d)
		}
	}
	expected(2)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f.look()
	name("p-1")
	content(
		`{"expected": 2, "endpoints": [{"name": "p-9", "ordinal": 1, "instance": "another run", "host": "h", "port": 1}]}`,
	)
	name("machine")
	identity.Opened("state", []string{"another run"}) // it turns out to be an earlier run of this instance
	name("p-9")
}

// TestDirectoryIsUnknown checks that a configured peers file that was never read means that the
// peers are unknown, and not that there are none. So no peer is asked, and no operation is reported
// as not found. A missing file is logged once.
func TestDirectoryIsUnknown(t *testing.T) {
	for name, content := range map[string]string{"missing": "", "empty": "\n", "broken": "{"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), DirectoryKey)
			if content != "" {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var lines []string
			log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
			f, err := NewFiles(FilesConfig{PeersFile: file, Guess: Endpoint{Name: "machine"}, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			f.look()
			if len(lines) != 1 || strings.Contains(lines[0], "last good") {
				t.Errorf("it logged %q, want one line, and nothing of a good version", lines)
			}
			to, err := NewForwarder(ForwarderConfig{Mode: Forward, Source: f, Log: logr.Discard()})
			if err != nil {
				t.Fatal(err)
			}
			busy := func(what string, err error) {
				t.Helper()
				if e := signing.AsError(err); err == nil || e.Kind != signing.KindBusy || e.RetryAfter == 0 {
					t.Errorf("%s: %v, want busy", what, err)
				}
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			_, err = to.KeyOwner(asked(r), "/")
			busy("an Idempotency-Key", err)
			_, err = to.Search(httptest.NewRecorder(), asked(r), 0)
			busy("a reference", err)
			_, err = to.Owner(1)
			busy("an id of another ordinal", err)
			if peer, err := to.Owner(1024); peer != nil || err != nil {
				t.Errorf("an id of this one's: %v, %v", peer, err)
			}
			if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			f.look()
			if peer, err := to.KeyOwner(asked(r), "/"); peer != nil || err != nil {
				t.Errorf("once it says that there are none: %v, %v", peer, err)
			}
		})
	}
}

// TestFromFile checks that monitoring can distinguish instances that wait for a controller from
// instances that need none.
func TestFromFile(t *testing.T) {
	for file, want := range map[string]float64{"": 0, filepath.Join(t.TempDir(), "endpoint"): 1} {
		registry := prometheus.NewRegistry()
		if _, err := NewFiles(FilesConfig{EndpointFile: file, Log: logr.Discard(), Registerer: registry}); err != nil {
			t.Fatal(err)
		}
		got, known := gauge(t, registry, "signstash_endpoint_from_file"), gauge(t, registry, "signstash_endpoint_known")
		if got != want || known != 1-want {
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
