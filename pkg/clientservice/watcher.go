package clientservice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
)

// WatcherConfig is what a Watcher needs.
type WatcherConfig struct {
	Path       string                // of the client-services file
	Poll       time.Duration         // 0 = filewatch.DefaultPoll
	Log        logr.Logger           // gets no secret
	Registerer prometheus.Registerer // nil = no metrics
}

// Watcher keeps the last good version of a client-services file in force. It refuses a version with
// any mistake as a whole: the log and the metrics report it, and the version before stays in force.
// Safe for concurrent use.
type Watcher struct {
	config   WatcherConfig
	metrics  *metrics
	services *filewatch.LastGood[Services]
}

// NewWatcher reads the file. It fails with an error that names the file if the file is missing,
// unreadable or has a mistake.
func NewWatcher(c WatcherConfig) (*Watcher, error) {
	w := &Watcher{config: c, metrics: newMetrics()}
	w.services = filewatch.NewLastGood(func() ([]byte, error) { return readFile(c.Path) }, w.decode)
	if err := w.metrics.register(c.Registerer); err != nil {
		return nil, err
	}
	if _, err := w.reload(); err != nil {
		return nil, err
	}
	return w, nil
}

// Current returns the client services in force. They are immutable. A request must use one Services
// from its start to its end.
func (w *Watcher) Current() *Services { return w.services.Value() }

// Start reloads the file whenever it changes, until ctx is done. It then returns nil.
func (w *Watcher) Start(ctx context.Context) error {
	watch := filewatch.Config{Paths: []string{w.config.Path}, Poll: w.config.Poll, Log: w.config.Log}
	return filewatch.Run(ctx, watch, w.look)
}

// look reloads the file and logs the result.
func (w *Watcher) look() {
	changed, err := w.reload()
	log := w.config.Log.WithValues("path", w.config.Path, "clients", w.Current().Len())
	switch {
	case err != nil:
		log.Error(err, "client services refused; the last good version stays in force")
	case changed:
		log.Info("client services reloaded")
	}
}

// reload reads the file and counts the result in the metrics. It returns each error once.
func (w *Watcher) reload() (changed bool, err error) {
	changed, err = w.services.Reload()
	switch {
	case err != nil:
		w.metrics.failed()
	case changed:
		w.metrics.succeeded(w.Current().Len(), time.Now())
	}
	return changed, err
}

func (w *Watcher) decode(data []byte) (*Services, error) {
	s, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read client services from %s: %w", w.config.Path, err)
	}
	return s, nil
}

// IsMissing reports whether err means that the client-services file does not exist.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
