package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds the write that a readiness probe makes: kubelets wait one second by default.
const checkTimeout = 900 * time.Millisecond

// managementServer serves probes and metrics, on a port of their own since they have no authentication.
func (p *proxy) managementServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{Registry: p.registry}))
	return &http.Server{
		Handler:      mux,
		ReadTimeout:  managementTimeout,
		WriteTimeout: managementTimeout,
		IdleTimeout:  idleTimeout,
		ErrorLog:     slog.NewLogLogger(logr.ToSlogHandler(p.log.WithName("management")), slog.LevelDebug),
	}
}

// readyz answers 200 while new operations are welcome: recovered, not stopping, and the state folder takes writes. Reads are served
// all the same where it answers 503. It does not ask the remote side: while that is out of reach requests are accepted all the same,
// since what is accepted is on disk and signed later.
func (p *proxy) readyz(w http.ResponseWriter, r *http.Request) {
	if p.draining.Load() {
		answer(w, http.StatusServiceUnavailable, "stopping\n")
		return
	}
	select {
	case <-p.opened:
	default:
		answer(w, http.StatusServiceUnavailable, "starting\n")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	if err := p.store.Check(ctx); err != nil {
		p.log.Error(err, "the state folder takes no writes")
		answer(w, http.StatusServiceUnavailable, "the state folder takes no writes\n")
		return
	}
	answer(w, http.StatusOK, "ready\n")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a probe that went away needs no answer
}
