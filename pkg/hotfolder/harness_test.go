//go:build linux

package hotfolder_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/directory"
)

const clientID = "client"

// harness is a hot folder with an engine. Its clock is that of a synctest bubble. The service is in
// memory and survives a restart of the engine.
type harness struct {
	*testing.T
	work     string
	service  *fakeService
	client   clientservice.ClientService
	cfg      hotfolder.Config
	wrap     func(hotfolder.Storage) hotfolder.Storage // nil = as it is
	log      logr.Logger                               // the zero value discards
	registry *prometheus.Registry
	engine   *hotfolder.Engine
	services atomic.Pointer[clientservice.Services] // in force
	stop     func()
	seen     map[string]string // outputs that a consumer has removed
	seenMany bool              // one was seen twice
}

// inBubble runs a test with a fake clock. change may alter the harness before the engine starts.
func inBubble(t *testing.T, change func(*harness), test func(*harness)) {
	t.Helper()
	work := t.TempDir()
	for _, name := range []string{"in", "out", "backup"} {
		if err := os.Mkdir(filepath.Join(work, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := &harness{T: t, work: work, service: newFakeService(), seen: make(map[string]string)}
		h.client = clientservice.ClientService{ID: clientID, Secret: clientservice.NewSecret("secret"),
			InputFolder: "/in", OutputFolder: "/out", BackupFolder: "/backup"}
		h.cfg.Immediate = true
		if change != nil {
			change(h)
		}
		h.start()
		defer func() { h.stop() }()
		test(h)
	})
}

// start starts an engine, as a new process does.
func (h *harness) start() {
	h.Helper()
	cfg := h.cfg
	h.registry = prometheus.NewRegistry()
	cfg.Service, cfg.Log, cfg.Registerer = h.service, h.log, h.registry
	services, err := clientservice.NewServices(h.client)
	if err != nil {
		h.Fatal(err)
	}
	h.services.Store(services)
	cfg.Clients = h.services.Load
	cfg.Open = func(c *clientservice.ClientService) (hotfolder.Storage, error) {
		s, err := directory.Open(directory.Config{Work: h.work, Client: c.ID, Input: c.InputFolder, Output: c.OutputFolder,
			Backup: c.BackupFolder, Ordinal: cfg.Ordinal, Poll: true, Log: logr.Discard()})
		if err == nil && h.wrap != nil {
			s = h.wrap(s)
		}
		return s, err
	}
	engine, err := hotfolder.New(cfg)
	if err != nil {
		h.Fatal(err)
	}
	h.engine = engine
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.Errorf("Run = %v", err)
		}
	})
}

// pass lets time pass, and what happens in it.
func (h *harness) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *harness) path(elements ...string) string {
	return filepath.Join(append([]string{h.work}, elements...)...)
}

func (h *harness) put(name, content string) {
	h.Helper()
	if err := os.WriteFile(h.path("in", name), []byte(content), 0o640); err != nil {
		h.Fatal(err)
	}
}

// visible returns the visible files of a folder by their name without the run, with their contents.
func (h *harness) visible(folder string) map[string]string {
	h.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(h.path(folder), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".signstash":
			return filepath.SkipDir
		case e.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		if _, twice := files[e.Name()]; twice {
			h.Errorf("%s folder has %q twice", folder, e.Name())
		}
		files[e.Name()] = string(content)
		return err
	})
	if err != nil {
		h.Fatal(err)
	}
	return files
}

// has fails the test if a folder does not hold exactly these files ("name=content").
func (h *harness) has(folder string, want ...string) {
	h.Helper()
	var got []string
	for name, content := range h.visible(folder) {
		got = append(got, name+"="+content)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.Errorf("%s folder has %q, want %q", folder, got, want)
	}
}

// consume removes all outputs, as a consumer does, and remembers them.
func (h *harness) consume() {
	h.Helper()
	_ = filepath.WalkDir(h.path("out"), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir() && e.Name() == ".signstash":
			return filepath.SkipDir
		case e.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if _, twice := h.seen[e.Name()]; twice {
			h.seenMany = true
		}
		h.seen[e.Name()] = string(content)
		_ = os.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // if it is empty
		return nil
	})
}

// metric returns the value of a metric, summed over its series with that label value.
func (h *harness) metric(name, label string) (sum float64) {
	h.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "signstash_hotfolder_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			match := label == ""
			for _, l := range m.GetLabel() {
				match = match || l.GetValue() == label
			}
			if match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// pdf and xml return complete documents of the tests.
func pdf(text string) string { return "%PDF-1.7\n" + text + "\n%%EOF\n" }
func xml(text string) string { return "<?xml version=\"1.0\"?>\n<Invoice>" + text + "</Invoice>\n" }

func chtimes(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
