package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEverySettingIsDocumented checks that help and reference have what they need of each setting.
func TestEverySettingIsDocumented(t *testing.T) {
	help, reference := Help("proxy"), Reference()
	names, envs := map[string]bool{}, map[string]bool{}
	for _, s := range Settings() {
		if s.Group == "" || s.Name == "" || s.Form == "" {
			t.Errorf("%+v lacks a group, a name or a form", s)
		}
		if len(s.Help) < 20 || !strings.HasSuffix(s.Help, ".") && !strings.HasSuffix(s.Help, "}.") {
			t.Errorf("%s: help %q is not a sentence", s.Name, s.Help)
		}
		if names[s.Name] || envs[s.Env()] {
			t.Errorf("%s or %s is declared twice", s.Name, s.Env())
		}
		names[s.Name], envs[s.Env()] = true, true
		if !strings.Contains(help, "--"+s.Name+"="+s.Form+"\n") || !strings.Contains(help, " "+s.Env()+"\n") {
			t.Errorf("%s is not in the help", s.Name)
		}
		if !strings.Contains(reference, "`--"+s.Name+"=") || !strings.Contains(reference, "`"+s.Env()+"`") {
			t.Errorf("%s is not in the reference", s.Name)
		}
	}
	if len(names) < 40 {
		t.Errorf("%d settings, want them all", len(names))
	}
}

// TestDocumentedFlags checks that all start parameters of the original product and all documented
// additions exist.
func TestDocumentedFlags(t *testing.T) {
	c := defaults(Input{})
	d := declare(&c)
	for _, name := range []string{
		"server.host.port", "einvoice-integration-client.service.domain",
		"einvoice-integration-client.rest.provider.proxy.hostname", "einvoice-integration-client.rest.provider.proxy.port",
		"hot.folder.enabled", "einvoice-integration-client.hot.folder.documents.processing.threshold",
		"einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression",
		"einvoice-integration-client.scheduler.task.handleSignatureTasks.lock-time",
		"force.database.recreate", "client.services.config", "instance.ordinal", "token.signing.key", "sync.wait",
		"api.strict-vendor-status", "server.port", "server.address", "management.server.port", "work.folder", "state.folder",
		"server.ssl.certificate", "server.ssl.certificate-private-key", "server.ssl.allow-plaintext",
		"signing.unknown-outcome",
	} {
		if d.find(name) == nil {
			t.Errorf("--%s is not declared", name)
		}
	}
}

// TestDefaultsCanBeGiven gives every default as a flag. The values that help shows must be accepted
// and must change nothing.
func TestDefaultsCanBeGiven(t *testing.T) {
	c := defaults(Input{})
	for _, s := range declare(&c).settings {
		text := s.value.String()
		if text == "" || text == "0" && s.Default == "" {
			continue
		}
		if err := s.value.set(text); err != nil {
			t.Errorf("--%s=%s: %v", s.Name, text, err)
		}
	}
	if want := defaults(Input{}); !reflect.DeepEqual(c, want) {
		t.Errorf("configuration after giving every default = %+v, want %+v", c, want)
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Millisecond: "5ms", 90 * time.Second: "1m30s", time.Minute: "1m", time.Hour: "1h",
		90 * time.Minute: "1h30m", 36 * time.Hour: "36h", 7 * day: "7d", 10 * time.Minute: "10m", 10 * time.Hour: "10h",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("formatDuration(%v) = %s, want %s", d, got, want)
		}
		if back, err := parseDuration(want); back != d || err != nil {
			t.Errorf("parseDuration(%s) = %v, %v, want %v", want, back, err, d)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "17": 17, "17B": 17, "1kb": 1000, "500 MB": 500e6, "2GiB": 2 << 30, "2Gi": 2 << 30, "1tib": 1 << 40,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("parseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "1.5GB", "-1", "-1MB", "1XB", "9223372036854775807TiB", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 17: "17B", 2000: "2KB", 2048: "2KiB", 500e6: "500MB", 2 << 30: "2GiB"} {
		if got := formatSize(n); got != want {
			t.Errorf("formatSize(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestHelpGolden(t *testing.T) { golden(t, "testdata/help.golden", Help("proxy")) }

// TestReadmeReference compares the table of settings in README.md with the declarations; -update
// writes it.
func TestReadmeReference(t *testing.T) {
	const (
		path  = "README.md"
		begin = "<!-- settings: made by go test ./pkg/config -update -->\n"
		end   = "<!-- end of settings -->"
	)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	got, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("README.md lacks the lines\n%s%s", begin, end)
	}
	want := "\n" + Reference() + "\n"
	if *update && got != want {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		got = want
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the settings in README.md (-want +got; go test ./pkg/config -update writes them):\n%s", diff)
	}
}
