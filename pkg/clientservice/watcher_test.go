package clientservice

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// volume is a mounted Secret: FILE -> ..data/FILE, ..data -> a folder of its own for each version.
type volume struct {
	t       *testing.T
	folder  string
	version int
}

func newVolume(t *testing.T) *volume {
	t.Helper()
	v := &volume{t: t, folder: t.TempDir()}
	v.check(os.Symlink(filepath.Join("..data", FileName), v.path()))
	return v
}

func (v *volume) check(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v *volume) path() string { return filepath.Join(v.folder, FileName) }

// publish swaps in a new version as the kubelet does.
func (v *volume) publish(content string) {
	v.t.Helper()
	v.version++
	folder := "..2026_" + strings.Repeat("x", v.version)
	v.check(os.Mkdir(filepath.Join(v.folder, folder), 0o700))
	v.check(os.WriteFile(filepath.Join(v.folder, folder, FileName), []byte(content), 0o600))
	link := filepath.Join(v.folder, "..data_tmp")
	v.check(os.Symlink(folder, link))
	v.check(os.Rename(link, filepath.Join(v.folder, "..data")))
}

// running is a Watcher at work, with its log lines.
type running struct {
	*Watcher
	t        *testing.T
	lines    chan string
	registry *prometheus.Registry
}

// start runs a Watcher on path until the test ends.
func start(t *testing.T, path string, poll time.Duration) *running {
	t.Helper()
	r := &running{t: t, lines: make(chan string, 1000), registry: prometheus.NewRegistry()}
	w, err := NewWatcher(WatcherConfig{
		Path: path, Poll: poll, Registerer: r.registry,
		Log: funcr.New(func(_, line string) { r.lines <- line }, funcr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Watcher = w
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Start = %v, want nil", err)
		}
	})
	return r
}

// await reads log lines until one holds want; the test binary's own deadline ends a wait for
// nothing.
func (r *running) await(want string) {
	r.t.Helper()
	for line := range r.lines {
		if strings.Contains(line, "geheim") {
			r.t.Errorf("a log line shows a secret: %s", line)
		}
		if strings.Contains(line, want) {
			return
		}
	}
}

func (r *running) wantSecret(id, secret string) {
	r.t.Helper()
	if r.Current().Authenticate(id, secret) == nil {
		r.t.Errorf("client service %q is not accepted with its secret", id)
	}
}

func (r *running) wantMetrics(lines ...string) {
	r.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{}).ServeHTTP(w,
		httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range lines {
		if !strings.Contains(w.Body.String(), want+"\n") {
			r.t.Errorf("metrics lack %q:\n%s", want, w.Body.String())
		}
	}
}

const never = 24 * time.Hour

// TestWatcherFollowsMountedSecret rotates a secret and breaks the file by swaps of ..data, seen by
// notification alone.
func TestWatcherFollowsMountedSecret(t *testing.T) {
	v := newVolume(t)
	v.publish(`{"a": {"secret": "geheim1"}}`)
	r := start(t, v.path(), never)
	r.wantSecret("a", "geheim1")
	before := r.Current()

	v.publish(`{"a": {"secret": "geheim2", "previousSecret": "geheim1"}, "b": {"secret": "geheim3"}}`)
	r.await("client services reloaded")
	r.wantSecret("a", "geheim1")
	r.wantSecret("a", "geheim2")
	r.wantSecret("b", "geheim3")
	if before.Len() != 1 {
		t.Errorf("a Services changed after it was given out")
	}

	v.publish(`{"a": {"secret": "geheim4"}, "b": {"secret": ""}}`)
	r.await("client services refused")
	r.wantSecret("a", "geheim2")
	r.wantMetrics(`signstash_client_services_reloads_total{result="failure"} 1`,
		`signstash_client_services_last_reload_successful 0`, `signstash_client_services 2`)

	v.publish(`{"a": {"secret": "geheim4"}}`)
	r.await("client services reloaded")
	r.wantSecret("a", "geheim4")
	r.wantMetrics(`signstash_client_services_reloads_total{result="success"} 3`,
		`signstash_client_services_last_reload_successful 1`, `signstash_client_services 1`)
}

// TestWatcherKeepsLastGood walks through the ways a file can be broken, polled.
func TestWatcherKeepsLastGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	const good = `{"a": {"secret": "geheim1"}}`
	put(good)
	r := start(t, path, time.Millisecond)
	for _, broken := range []string{
		"", "{", `{"a": {}}`,
		`{"a": {"secret": "geheim2"}, "a": {"secret": "geheim2"}}`,
		`{"a": {"secret": "geheim2", "x": 1}}`,
	} {
		put(broken)
		r.await("client services refused")
		r.wantSecret("a", "geheim1")
		put(good)
		r.await("client services reloaded")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.await("client services refused")
	r.wantSecret("a", "geheim1")
}

// TestReloadOfUnchangedContent wants no work and no line for content that is the same, good or bad.
func TestReloadOfUnchangedContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"a": {"secret": "1"}}`)
	w, err := NewWatcher(WatcherConfig{Path: path, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	current := w.Current()
	write(`{"a": {"secret": "1"}}`)
	if changed, err := w.reload(); changed || err != nil || w.Current() != current {
		t.Errorf("reload of equal content = %v, %v, want false, nil", changed, err)
	}
	write(`{"a": {}}`)
	if _, err := w.reload(); err == nil {
		t.Error("reload of a broken version gave no error")
	}
	if changed, err := w.reload(); changed || err != nil {
		t.Errorf("second reload of a broken version = %v, %v, want false, nil: an error is told once", changed, err)
	}
}

func TestNewWatcherRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), FileName)
	_, err := NewWatcher(WatcherConfig{Path: missing, Log: logr.Discard()})
	if !IsMissing(err) || !strings.Contains(err.Error(), missing) {
		t.Errorf("NewWatcher without a file = %v, want one that is missing and names %s", err, missing)
	}
	_, err = NewWatcher(WatcherConfig{Path: "testdata/invalid-many.json", Log: logr.Discard()})
	if err == nil || IsMissing(err) || !strings.Contains(err.Error(), "invalid-many.json") {
		t.Errorf("NewWatcher of a broken file = %v, want an error that names it", err)
	}
}
