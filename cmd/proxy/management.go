package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// checkTimeout bounds the write that a readiness probe makes: kubelets wait one second by default.
const checkTimeout = 900 * time.Millisecond

// maxScrapes bounds the scrapes at a time. Each gathers some hundred kilobytes; two or three
// Prometheus servers ask one by one.
const maxScrapes = 16

// managementServer serves probes, metrics and the status page, on a port of their own since they
// have no authentication.
func (p *proxy) managementServer() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", p.readyz)
	mux.Handle("GET /{$}", status.Handler(p.snapshot, time.Now))
	mux.Handle(
		"GET /metrics",
		promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{Registry: p.registry, MaxRequestsInFlight: maxScrapes}),
	)
	return &http.Server{
		Handler:      mux,
		ReadTimeout:  managementTimeout,
		WriteTimeout: managementTimeout,
		IdleTimeout:  idleTimeout,
		ErrorLog:     slog.NewLogLogger(logr.ToSlogHandler(p.log.WithName("management")), slog.LevelDebug),
	}
}

// readyz answers 200 while new operations are welcome: recovered, not stopping, its address and the
// other instances are known, and the state folder has room and takes writes. Reads are served all
// the same where it answers 503. It does not ask the remote side: while that is out of reach
// requests are accepted all the same, since what is accepted is on disk and signed later.
func (p *proxy) readyz(w http.ResponseWriter, r *http.Request) {
	ready, why := p.readiness(r.Context())
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, why+"\n")
}

// readiness says whether new operations are welcome, and why not.
func (p *proxy) readiness(ctx context.Context) (bool, string) {
	if p.draining.Load() {
		return false, "stopping"
	}
	select {
	case <-p.opened:
	default:
		return false, "starting"
	}
	if !p.published() {
		return false, "the address of this instance is not known yet"
	}
	if !p.peersKnown() {
		return false, "the peers file could not be read yet"
	}
	// A probe that hangs up says nothing about the disk.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	err := p.store.Check(ctx)
	trouble := ""
	switch {
	case err == nil:
	case signing.KindOf(err) == signing.KindBusy:
		trouble = "the state folder has no room"
	default:
		trouble = "the state folder takes no writes"
	}
	p.noteTrouble(trouble, err)
	return trouble == "", cmp.Or(trouble, "ready")
}

// noteTrouble logs what is wrong with the state folder once, and not at each probe, and that it has
// passed.
func (p *proxy) noteTrouble(trouble string, err error) {
	switch last := p.trouble.Swap(&trouble); {
	case last != nil && *last == trouble, last == nil && trouble == "":
	case trouble == "":
		p.log.Info("the state folder takes writes again")
	default:
		p.log.Error(err, trouble)
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a probe that went away needs no answer
}
