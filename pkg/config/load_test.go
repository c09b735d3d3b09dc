package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

var update = flag.Bool("update", false, "write golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func load(t *testing.T, in Input) Config {
	t.Helper()
	c, err := Load(in)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// wantMistakes requires exactly one mistake for each of parts, and that mistake must contain it.
func wantMistakes(t *testing.T, in Input, parts ...string) {
	t.Helper()
	_, err := Load(in)
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("Load = %v, want an *InvalidError", err)
	}
	if len(invalid.Mistakes) != len(parts) {
		t.Errorf("Load = %v, want %d mistakes", err, len(parts))
	}
	for i, part := range parts {
		if i < len(invalid.Mistakes) && !strings.Contains(invalid.Mistakes[i], part) {
			t.Errorf("mistake %d = %s, want %q in it", i, invalid.Mistakes[i], part)
		}
	}
}

func TestDefaults(t *testing.T) {
	c := load(t, Input{HostName: "machine-3"})
	if c.WorkFolder != "./work" || c.ClientServicesFile != "work/client-services-config.json" ||
		c.StateFolder != "/tmp/signstash" {
		t.Errorf("folders = %s, %s, %s", c.WorkFolder, c.ClientServicesFile, c.StateFolder)
	}
	if c.Server.Port != 8080 || c.Management.Port != 8081 || c.Server.SyncWait != time.Minute ||
		c.HotFolder.Threshold != 1000 ||
		c.Signing.Deadline != 24*time.Hour ||
		c.Signing.Tries != 3 ||
		c.Signing.Backoff != time.Minute ||
		c.Signing.UnknownOutcome != signing.UnknownRetry {
		t.Errorf("documented defaults differ: %+v", c)
	}
	if c.InstanceOrdinal != 0 || c.InstanceName != "machine-3" {
		t.Errorf("instance = %d %q, want 0: this is no pod", c.InstanceOrdinal, c.InstanceName)
	}
	c = load(t, Input{Env: []string{"SIGNSTASH_CONTAINER=1"}})
	if c.WorkFolder != "/home" || c.ClientServicesFile != "/home/client-services-config.json" {
		t.Errorf("folders in the container = %s, %s, want those below /home", c.WorkFolder, c.ClientServicesFile)
	}
}

func TestPodOrdinal(t *testing.T) {
	for name, want := range map[string]int{
		"proxy-0": 0, "proxy-12": 12, "a-b-1023": 1023, "proxy-1024": 0, "proxy": 0,
		"proxy-7d9f8c-x2k4z": 0, "proxy-007": 0, "proxy-": 0, "": 0,
	} {
		c := load(t, Input{HostName: name, Env: []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}})
		if c.InstanceOrdinal != want {
			t.Errorf("ordinal of pod %q = %d, want %d", name, c.InstanceOrdinal, want)
		}
	}
	c := load(t, Input{HostName: "proxy-3", Env: []string{"KUBERNETES_SERVICE_HOST=10.0.0.1", "INSTANCE_ORDINAL=5"}})
	if c.InstanceOrdinal != 5 {
		t.Errorf("ordinal = %d, want 5: what is given decides", c.InstanceOrdinal)
	}
}

// TestPrecedence gives one setting in all places and removes the places one by one.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("server.port: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := Input{Args: []string{"--server.port=1", "--config=" + file}, Env: []string{"SERVER_PORT=2"}}
	for _, test := range []struct {
		in   Input
		want int
	}{
		{all, 1},
		{Input{Args: all.Args[1:], Env: all.Env}, 2},
		{Input{Args: all.Args[1:]}, 3},
		{Input{Env: []string{"CONFIG=" + file}}, 3},
		{Input{}, 8080},
		{Input{Args: []string{"--server.port=", "--config=" + file}, Env: []string{"SERVER_PORT="}}, 3},
		{Input{Args: []string{"--server.port=1", "--server.port=4"}}, 4},
	} {
		if c := load(t, test.in); c.Server.Port != test.want {
			t.Errorf("port with %v = %d, want %d", test.in, c.Server.Port, test.want)
		}
	}
}

// TestForms gives flags in every accepted form.
func TestForms(t *testing.T) {
	for _, args := range [][]string{
		{"--server.port=9", "--force.database.recreate=TRUE"},
		{"-server.port=9", "-force.database.recreate=true"},
		{"--server.port", "9", "--force.database.recreate=True"},
		{"--force.database.recreate", "--server.port", "9"},
	} {
		if c := load(t, Input{Args: args}); c.Server.Port != 9 || !c.ForceDatabaseRecreate {
			t.Errorf("Load(%v) = port %d, recreate %v, want 9, true", args, c.Server.Port, c.ForceDatabaseRecreate)
		}
	}
	c := load(t, Input{Args: []string{
		"--einvoice-integration-client.service.domain=https://sign.example.org/base/",
		"--einvoice-integration-client.rest.provider.proxy.hostname=proxy.example.org",
		"--einvoice-integration-client.rest.provider.proxy.port=3128",
		"--einvoice-integration-client.scheduler.task.handleSignatureTasks.lock-time=90",
		"--hot.folder.enabled=False", "--retention.age=30d", "--limits.document.size=64Mi",
	}})
	if c.Remote.Domain != "https://sign.example.org/base" || c.Outbound.ProxyHost != "proxy.example.org" ||
		c.Outbound.ProxyPort != 3128 ||
		c.Signing.Deadline != 90*time.Minute ||
		c.Retention.Age != 720*time.Hour ||
		c.Limits.MaxDocumentBytes != 64<<20 {
		t.Errorf("Load = %+v", c)
	}
}

func TestFiles(t *testing.T) {
	want := load(
		t,
		Input{Args: []string{"--server.port=9090", "--server.host.port=proxy-0.example.org:9090", "--sync.wait=5s",
			"--limits.request.size=500000000", "--log.level=debug"}},
	)
	for _, name := range []string{"valid-nested.yaml", "valid-flat.yaml", "valid-half-nested.yaml"} {
		got := load(t, Input{Args: []string{"--config=testdata/" + name}})
		want.File = got.File
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	load(t, Input{Args: []string{"--config=testdata/valid-empty.yaml"}})
}

func TestInvalidFiles(t *testing.T) {
	for name, parts := range map[string][]string{
		"invalid-keys.yaml": {
			"invalid-keys.yaml:2: unknown setting server.prot; did you mean --server.port?",
			":3: unknown setting server.ssl",
			":4: unknown setting serverport; did you mean --server.port?",
			":6: hot.folder.enabled: want one value",
			":9: sync.wait is there twice",
			":10: limits: aliases are not supported",
			":11: config cannot be set in the file itself",
			":12: want the name of a setting",
		},
		"invalid-list.yaml":          {":1: want settings as name: value"},
		"invalid-two-documents.yaml": {"more than one YAML document"},
		"invalid-syntax.yaml":        {"invalid-syntax.yaml: yaml: line"},
		"invalid-values.yaml": {":2: server.port: want a whole number from 0 to 65535, not \"65536\"",
			":3: sync.wait: want a duration"},
		"invalid-not-there.yaml": {"no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			wantMistakes(t, Input{Args: []string{"--config=testdata/" + name}}, parts...)
		})
	}
}

func TestMistakesInArguments(t *testing.T) {
	for arg, want := range map[string]string{
		"--server.prot=1":                     "unknown flag --server.prot; did you mean --server.port?",
		"--Server.Port=1":                     "did you mean --server.port?",
		"--service.domain=https://x":          "did you mean --einvoice-integration-client.service.domain?",
		"--state-folder=/x":                   "did you mean --state.folder?",
		"--quux.plugh.xyzzy=1":                "--help lists all",
		"server.port=1":                       "unexpected argument",
		"-":                                   "unexpected argument",
		"--":                                  "unexpected argument",
		"--server.port":                       "needs a value: --server.port=PORT",
		"--server.port=http":                  "flag --server.port: want a whole number from 0 to 65535, not \"http\"",
		"--server.port=-1":                    "want a whole number",
		"--instance.ordinal=1024":             "from 0 to 1023",
		"--sync.wait=60":                      "want a duration from 0s to 1d, such as",
		"--sync.wait=2d":                      "want a duration",
		"--limits.document.size=1":            "want a size of at least 1KiB",
		"--limits.document.size=9999999TB":    "want a size",
		"--log.level=trace":                   "want one of info, debug, not \"trace\"",
		"--force.database.recreate=yes":       "want TRUE or FALSE",
		"--server.host.port=8080":             "want HOST:PORT",
		"--hot.folder.trigger=now":            "want one of threshold, immediate",
		"--hot.folder.output.mode=0440":       "want an octal mode",
		"--hot.folder.output.mode=rw":         "want an octal mode",
		"--hot.folder.ignore=a,,b":            "want patterns of file names",
		"--hot.folder.ignore=[":               "want patterns of file names",
		"--hot.folder.done-suffix=a/b":        "want the end of a file name",
		"--hot.folder.done-suffix=.sign.json": "not that of a sidecar",
		"--einvoice-integration-client.hot.folder.documents.processing.threshold=0":  "want a whole number from 1",
		"--einvoice-integration-client.hot.folder.documents.processing.threshold=-1": "want a whole number from 1",
		"--server.ssl.allow-plaintext":                            "needs --server.ssl.certificate",
		"--server.ssl.certificate=testdata/valid-flat.yaml":       "needs --server.ssl.certificate-private-key",
		"--signing.pkcs12.password-file=testdata/valid-flat.yaml": "needs --signing.pkcs12.file",

		"--token.signing.key=/does/not/exist":                                    "--token.signing.key: open /does/not/exist",
		"--token.signing.key=testdata":                                           "is a folder",
		"--management.server.port=8080":                                          "both 8080",
		"--einvoice-integration-client.service.domain=sign.example.org":          "want a URL",
		"--einvoice-integration-client.service.domain=https://u:p@h.example.org": "must not hold a user name",
		"--einvoice-integration-client.rest.provider.proxy.hostname=h":           "given together",

		"--einvoice-integration-client.scheduler.task.handleSignatureTasks.lock-time=0": "want a whole number from 1",

		"--einvoice-integration-client.scheduler.task." +
			"processHotFoldersByDocumentThreshold.cron-expression=*": "want six",
		"--einvoice-integration-client.scheduler.task." +
			"processHotFoldersByDocumentThreshold.cron-expression=0/5 * * * ?": "5 fields, want six",
		"--einvoice-integration-client.scheduler.task." +
			"processHotFoldersByDocumentThreshold.cron-expression=0 99 * * * ?": "minute \"99\"",

		"--" + strings.Repeat("x", 1000) + "=1": "unknown flag",
	} {
		wantMistakes(t, Input{Args: []string{arg}}, want)
	}
}

// TestAllMistakesAtOnce checks that mistakes of all sources are reported together.
func TestAllMistakesAtOnce(t *testing.T) {
	wantMistakes(t, Input{
		Args: []string{"--sevrer.port=1", "--config=testdata/invalid-values.yaml", "--log.format=xml"},
		Env:  []string{"SERVER_HOST_PORT=nowhere", "SYNC_WAIT=10s"},
	},
		"unknown flag --sevrer.port; did you mean --server.port?",
		"invalid-values.yaml:2: server.port: want",
		"environment variable SERVER_HOST_PORT: want HOST:PORT",
		"flag --log.format: want one of json, text",
	)
}

func TestServiceLinkIsExplained(t *testing.T) {
	wantMistakes(t, Input{Env: []string{"SERVER_PORT=tcp://10.0.0.1:8080"}}, "enableServiceLinks")
}

func TestHelpAndVersionComeFirst(t *testing.T) {
	for _, arg := range []string{"--help", "-h", "-help"} {
		if c := load(t, Input{Args: []string{"--server.port=x", arg}}); !c.Help || c.Version {
			t.Errorf("Load(%s) = %+v, want Help", arg, c)
		}
	}
	if c := load(t, Input{Args: []string{"--version", "--nonsense"}}); !c.Version || c.Help {
		t.Errorf("Load(--version) = %+v, want Version", c)
	}
}

// FuzzYAML checks that no file makes Load panic.
func FuzzYAML(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = Load(Input{Args: []string{"--config=" + file}})
	})
}
