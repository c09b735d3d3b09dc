package clientservice

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
)

// WatcherConfig is what a Watcher needs.
type WatcherConfig struct {
	Path       string                // of the client-services file
	Poll       time.Duration         // 0 = filewatch.DefaultPoll
	Log        logr.Logger           // never given a secret
	Registerer prometheus.Registerer // nil = no metrics
}

// Watcher keeps the last good version of a client-services file. A version with any mistake is
// refused whole: error in the log and in the metrics, and what was in force stays so. Safe for
// concurrent use.
type Watcher struct {
	config  WatcherConfig
	metrics *metrics
	current atomic.Pointer[Services]
	// seen is what the last look at the file found; equal findings are no-ops. Used by NewWatcher,
	// then by Start alone.
	seen finding
}

// finding tells one look at the file from the next: the content's digest, or the text of the error
// that kept it from being read.
type finding struct {
	digest [sha256.Size]byte
	fault  string
}

// NewWatcher reads the file, or fails with an error that names it.
func NewWatcher(c WatcherConfig) (*Watcher, error) {
	w := &Watcher{config: c, metrics: newMetrics()}
	if err := w.metrics.register(c.Registerer); err != nil {
		return nil, err
	}
	if _, err := w.reload(); err != nil {
		return nil, err
	}
	return w, nil
}

// Current returns the client services in force. They are immutable; a request uses one Services
// from its start to its end.
func (w *Watcher) Current() *Services { return w.current.Load() }

// Start reloads the file whenever it changes, until ctx is done, and then returns nil.
func (w *Watcher) Start(ctx context.Context) error {
	return filewatch.Run(
		ctx,
		filewatch.Config{Paths: []string{w.config.Path}, Poll: w.config.Poll, Log: w.config.Log},
		w.look,
	)
}

// look reloads and tells the log.
func (w *Watcher) look() {
	changed, err := w.reload()
	switch {
	case err != nil:
		w.config.Log.Error(
			err,
			"client services refused; the last good version stays in force",
			"path",
			w.config.Path,
			"clients",
			w.Current().Len(),
		)
	case changed:
		w.config.Log.Info("client services reloaded", "path", w.config.Path, "clients", w.Current().Len())
	}
}

// reload brings the file's content into force if it is another than at the last look. An error is
// returned once for each finding.
func (w *Watcher) reload() (changed bool, err error) {
	data, err := readFile(w.config.Path)
	found := finding{digest: sha256.Sum256(data)}
	if err != nil {
		found = finding{fault: err.Error()}
	}
	if found == w.seen {
		return false, nil
	}
	w.seen = found
	var s *Services
	if err == nil {
		s, err = w.decode(data)
	}
	if err != nil {
		w.metrics.failed()
		return false, err
	}
	w.current.Store(s)
	w.metrics.succeeded(s.Len(), time.Now())
	return true, nil
}

func (w *Watcher) decode(data []byte) (*Services, error) {
	s, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read client services from %s: %w", w.config.Path, err)
	}
	return s, nil
}

// IsMissing reports whether err says that there is no client-services file.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
