package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

const (
	// readyTimeout bounds how long a readiness check waits for the caches. Probes wait for one second
	// by default.
	readyTimeout = 500 * time.Millisecond
	// probeTimeout bounds a request of a probe or a scraper, which come from nearby.
	probeTimeout = 30 * time.Second
)

// noAddress is the address of a server that is not wanted.
const noAddress = "0"

// probes answers for the process: whether it lives, whether it is ready, and its metrics. The
// servers do not belong to a manager, because they must answer while there is none. It is safe for
// concurrent use.
type probes struct {
	mu      sync.Mutex
	cache   cache.Cache // of the running manager; nil = none runs
	waiting string      // what the controller waits for; empty = for nothing
}

// wait records what the controller waits for. While it waits, it has no manager.
func (p *probes) wait(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache, p.waiting = nil, why
}

// use records the cache of the manager that starts to run.
func (p *probes) use(c cache.Cache) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cache, p.waiting = c, ""
}

// ready returns nil once the caches hold the objects of the API server. A controller that does not
// lead is ready too, because it can take over.
func (p *probes) ready(ctx context.Context) error {
	p.mu.Lock()
	c, waiting := p.cache, p.waiting
	p.mu.Unlock()
	switch {
	case waiting != "":
		return errors.New(waiting)
	case c == nil:
		return errors.New("starting")
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if !c.WaitForCacheSync(ctx) {
		return errors.New("caches are not filled yet")
	}
	return nil
}

// health answers /healthz and /readyz. The process is alive while it answers, also while it waits
// for the API server: a restart would not bring the server back. Everything that the controller
// waits for has a deadline, so that it cannot hang unnoticed.
func (p *probes) health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := p.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// metricsHandler answers /metrics.
func metricsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}))
	return mux
}

// serve answers at an address until the returned function is called. The error says that the
// address cannot be opened.
func serve(ctx context.Context, address string, handler http.Handler, log logr.Logger) (stop func(), err error) {
	if address == noAddress {
		return func() {}, nil
	}
	var l net.ListenConfig
	listener, err := l.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open port of probes or metrics: %w", err)
	}
	server := &http.Server{Handler: handler, ReadTimeout: probeTimeout, WriteTimeout: probeTimeout}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error(err, "a port of probes or metrics stopped answering", "address", address)
		}
	}()
	return func() { _ = server.Close() }, nil
}
