package hotfolder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// Engine signs the files of the hot folders of all client services. Create it with New and run it
// once with Run.
type Engine struct {
	cfg     Config
	metrics *metrics
	folders folders
}

// New returns an Engine.
func New(cfg Config) (*Engine, error) {
	cfg.setDefaults()
	if cfg.Service == nil || cfg.Clients == nil || cfg.Open == nil {
		return nil, errors.New("hot folder: Service, Clients and Open must be set")
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("hot folder: %w", err)
	}
	return &Engine{cfg: cfg, metrics: m}, nil
}

// active is a client service whose folders are worked on.
type active struct {
	folders [3]string
	stop    func() // may be called several times
	ended   chan struct{}
	former  bool // it was stopped, because the configuration has changed
	hung    bool // it was logged that the folders do not stop
}

// Run works until ctx is done, and returns nil. It follows changes of the client services. It
// claims no files while Config.Refusal returns an error, but goes on to deliver results. A call to
// a file system that does not return keeps it from returning for hungAfter at most.
func (e *Engine) Run(ctx context.Context) error {
	running := make(map[string]*active)
	var seen *clientservice.Services
	defer func() { e.await(slices.Collect(maps.Values(running))) }()
	changes := make(chan *clientservice.Services, 1)
	if e.cfg.Abandoned != nil {
		go e.watchAbandoned(ctx, changes)
	}
	for waiting := false; ; {
		if now := e.cfg.Clients(); now != seen || waiting {
			changed := now != seen
			waiting, seen = e.follow(ctx, now, running, changed), now
			if changed {
				offer(changes, now)
			}
		}
		if !sleep(ctx, clientsEvery) {
			return nil
		}
	}
}

// offer replaces the value that waits in a channel for one value.
func offer[T any](to chan T, value T) {
	select {
	case <-to:
	default:
	}
	to <- value
}

// await stops folders and waits until they have stopped, for hungAfter at most.
func (e *Engine) await(list []*active) {
	for _, a := range list {
		a.stop()
	}
	timer := time.NewTimer(hungAfter)
	defer timer.Stop()
	for _, a := range list {
		select {
		case <-a.ended:
		case <-timer.C:
			return
		}
	}
}

// follow stops the work on folders that are not configured any more, and starts it on new ones. It
// reports whether some folders have not stopped yet, because a file system hangs. Their client
// services start when they have.
func (e *Engine) follow(ctx context.Context, services *clientservice.Services, running map[string]*active,
	changed bool,
) (waiting bool) {
	faults := Faults(services)
	var former []*active
	for id, a := range running {
		c := services.Lookup(id)
		if a.former || c == nil || faults[id] != nil || a.folders != foldersOf(c) {
			a.former, former = true, append(former, a)
		}
	}
	if changed {
		e.await(former)
	}
	waiting = e.forget(running, former)
	for _, s := range e.Status() {
		if c := services.Lookup(s.ClientService); c == nil || !hasFolders(c) {
			e.metrics.end(s.ClientService)
		}
	}
	for c := range services.All() {
		switch {
		case !hasFolders(c):
		case faults[c.ID] != nil:
			if changed {
				e.cfg.Log.Error(faults[c.ID], "hot folder is not used", "clientService", c.ID)
			}
			e.metrics.usable(c.ID, faults[c.ID])
		case running[c.ID] == nil:
			running[c.ID] = e.start(ctx, c)
		}
	}
	return waiting
}

// forget removes folders that have stopped. It reports whether some have not.
func (e *Engine) forget(running map[string]*active, former []*active) (waiting bool) {
	maps.DeleteFunc(running, func(id string, a *active) bool {
		if !slices.Contains(former, a) {
			return false
		}
		select {
		case <-a.ended:
			return true
		default:
		}
		waiting = true
		if !a.hung {
			a.hung = true
			e.cfg.Log.Info("folders of an earlier configuration do not stop, because their file system does not answer",
				"clientService", id, "folder", a.folders[0])
		}
		return false
	})
	return waiting
}

func foldersOf(c *clientservice.ClientService) [3]string {
	return [3]string{c.InputFolder, c.OutputFolder, c.BackupFolder}
}

// start works on the folders of a client service until it is stopped.
func (e *Engine) start(ctx context.Context, c *clientservice.ClientService) *active {
	ctx, stop := context.WithCancel(ctx)
	a := &active{folders: foldersOf(c), stop: stop, ended: make(chan struct{})}
	f := &folder{
		cfg: &e.cfg, metrics: e.metrics, client: c.ID, log: e.cfg.Log.WithValues("clientService", c.ID),
		works: newWorks(e.cfg.MaxRuns), news: make(chan struct{}, 1), back: make(map[string]bool),
		silence: make(silence), hints: newHints(),
	}
	e.metrics.begin(c.ID, &e.cfg)
	e.metrics.board.change(c.ID, func(s *Status) {
		s.Input, s.Output, s.Backup = c.InputFolder, c.OutputFolder, c.BackupFolder
	})
	e.folders.add(f)
	go func() {
		defer close(a.ended)
		defer e.folders.remove(c.ID)
		f.work(ctx, c)
	}()
	return a
}

// folder is the hot folder of one client service. One goroutine scans and claims, and one more
// works on each run.
type folder struct {
	cfg     *Config
	metrics *metrics
	client  string
	log     logger
	storage Storage
	window  *window
	running sync.WaitGroup
	works   *works
	silence silence
	news    chan struct{} // one value at most: a run has ended or given files back
	hints   *hints        // of notifications

	mu     sync.Mutex
	back   map[string]bool // files that were given back; true = their content has no end
	fault  string          // the last fault that was logged
	budget int             // files that may be claimed because of a tick
}

// work opens the storage and uses it until ctx is done. It tries again after errors.
func (f *folder) work(ctx context.Context, c *clientservice.ClientService) {
	for {
		storage, err := f.cfg.Open(c)
		if err == nil {
			f.report(nil)
			f.storage = storage
			f.announce(c)
			f.loop(ctx)
			f.running.Wait()
			if err := storage.Close(); err != nil {
				f.log.Error(err, "could not close the folders")
			}
			return
		}
		f.report(err)
		if !sleep(ctx, faultDelay) {
			return
		}
	}
}

// announce logs how the folders are used.
func (f *folder) announce(c *clientservice.ClientService) {
	kind, _, inStore := strings.Cut(c.InputFolder, "://")
	if !inStore {
		kind = "folder"
	}
	trigger, changes := "threshold", "polled"
	if f.cfg.Immediate {
		trigger = "immediate"
	}
	if f.storage.Wake() != nil {
		changes = "watched"
	}
	f.log.Info("hot folder is used", "kind", kind, "input", c.InputFolder, "output", c.OutputFolder,
		"backup", c.BackupFolder, "trigger", trigger, "changes", changes)
}

// report logs a fault of the folders once, and its end.
func (f *folder) report(err error) {
	f.metrics.usable(f.client, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil && f.fault != "":
		f.log.Info("hot folder can be used again")
		f.fault = ""
	case err != nil && err.Error() != f.fault:
		f.fault = err.Error()
		logFault(f.log, err, "hot folder cannot be used; trying again")
	}
}

// tell wakes the goroutine that scans.
func (f *folder) tell() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}
