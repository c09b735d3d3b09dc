//go:build linux

package hotfolder_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
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

// fakeService is a service in memory. It signs a document by writing "signed " before it. A
// document that contains "bad" fails, and one that contains "slow" waits for release.
type fakeService struct {
	mu       sync.Mutex
	ops      map[signing.ID]*fakeOperation
	next     signing.ID
	busy     bool
	signed   int // signatures
	released bool
}

type fakeOperation struct {
	signing.Operation
	docs    []signing.Document
	content [][]byte
	removed bool
}

func newFakeService() *fakeService { return &fakeService{ops: make(map[signing.ID]*fakeOperation)} }

type fakeUpload struct{ content [][]byte }

func (u *fakeUpload) Add(r io.Reader) (c signing.Content, err error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return c, fmt.Errorf("read document: %w", err)
	}
	u.content = append(u.content, data)
	return signing.Content{
		File:   fmt.Sprint(len(u.content) - 1),
		Size:   int64(len(data)),
		SHA256: sha256.Sum256(data),
	}, nil
}
func (u *fakeUpload) AddShared(r io.Reader) (signing.Content, error) { return u.Add(r) }
func (u *fakeUpload) Discard()                                       {}

func (s *fakeService) Admit(string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return signing.Errorf(signing.KindBusy, "the queue is full").Retryable(5 * time.Second)
	}
	return nil
}

func (s *fakeService) NewUpload(context.Context) (signing.Upload, error) { return &fakeUpload{}, nil }

func (s *fakeService) CheckOptions(i signing.SignatureInfo) error {
	if i.Type != signing.CAdES && i.Packaging != "" {
		return signing.Errorf(signing.KindInvalid, "packaging is for CAdES")
	}
	return nil
}

func (s *fakeService) Submit(_ context.Context, up signing.Upload, sub signing.Submission) (
	op signing.Operation, replayed bool, err error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if o.ExternalReference == sub.Request.ExternalReference {
			return op, false, signing.Errorf(signing.KindReferenceUsed, "used")
		}
	}
	s.next++
	o := &fakeOperation{content: up.(*fakeUpload).content}
	o.Operation = signing.Operation{ID: s.next, ClientService: sub.ClientService, DocumentCount: len(sub.Contents),
		ExternalReference: sub.Request.ExternalReference, Status: signing.StatusPending, Callback: sub.Callback}
	for i, d := range sub.Request.Documents {
		o.docs = append(o.docs, signing.Document{Ref: signing.Ref{Operation: s.next, Index: i}, DocumentRequest: d,
			Content: sub.Contents[i], State: signing.DocumentReceived})
	}
	s.ops[s.next] = o
	s.work(o)
	return o.Operation, false, nil
}

// work ends the documents of an operation that can end.
func (s *fakeService) work(o *fakeOperation) {
	left := 0
	for i := range o.docs {
		d := &o.docs[i]
		text := o.content[len(o.content)-len(o.docs)+i]
		switch {
		case d.State.Ended():
		case bytes.Contains(text, []byte("slow")) && !s.released:
			left++
		case bytes.Contains(text, []byte("bad")):
			d.State, d.Failure = signing.DocumentFailed, &signing.Failure{
				Kind:   signing.KindDamaged,
				Detail: "it is bad",
			}
		default:
			d.State = signing.DocumentSigned
			s.signed++
		}
	}
	if left == 0 {
		o.Status = signing.StatusExecuted
	}
}

// release ends the documents that are slow.
func (s *fakeService) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	for _, o := range s.ops {
		s.work(o)
	}
}

func (s *fakeService) FindByReference(
	_ context.Context,
	client, reference string,
) (list []signing.Operation, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if o.ClientService == client && o.ExternalReference == reference && !o.removed {
			list = append(list, o.Operation)
		}
	}
	return list, nil
}

func (s *fakeService) Wait(ctx context.Context, id signing.ID) (signing.Operation, error) {
	s.mu.Lock()
	o := s.ops[id]
	ended := o.Status.Ended()
	s.mu.Unlock()
	if !ended {
		<-ctx.Done()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return o.Operation, nil
}

func (s *fakeService) Documents(_ context.Context, id signing.ID, from, limit int) ([]signing.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs := s.ops[id].docs
	return slices.Clone(docs[min(from, len(docs)):min(from+limit, len(docs))]), nil
}

type memoryFile struct{ *strings.Reader }

func (memoryFile) Close() error { return nil }

func (s *fakeService) OpenSigned(_ context.Context, d signing.Document) (signing.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.ops[d.Operation]
	return memoryFile{strings.NewReader("signed " + string(o.content[len(o.content)-len(o.docs)+d.Index]))}, nil
}

func (s *fakeService) Fetched(context.Context, signing.ID) {}

func (s *fakeService) Remove(_ context.Context, client string, id signing.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.ops[id]
	if o.ClientService != client || o.removed || !o.Status.Ended() {
		return signing.Errorf(signing.KindNotFound, "no ended operation with id %s", id)
	}
	o.removed = true
	return nil
}

// documents returns all documents that were submitted, by name.
func (s *fakeService) documents() map[string]signing.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make(map[string]signing.Document)
	for _, o := range s.ops {
		for _, d := range o.docs {
			list[d.Name] = d
		}
	}
	return list
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
