package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/signstash-proxy/signstash-proxy/pkg/certreload"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// checkTimeout bounds the test write of a readiness probe. By default kubelets wait one second.
const checkTimeout = 900 * time.Millisecond

// maxScrapes bounds the number of scrapes at the same time. Each scrape allocates some hundred
// kilobytes. Two or three Prometheus servers send one request at a time each.
const maxScrapes = 16

// management answers on the management port: probes, metrics and the status page.
type management struct {
	cfg         config.Config
	log         logr.Logger
	registry    *prometheus.Registry
	certificate *certreload.Reloader // nil = no TLS
	instances   *instances
	keys        *keyHome
	state       *stateFolder
	credentials *credentials.Set
	signed      *signedDocuments
	service     *signing.Service
	hotFolders  func() []hotfolder.Status
	phase       *phase
	drain       *drain
	departure   *departure
	started     time.Time

	// trouble is the fault of the state folder that the last readiness probe found. Empty = no fault.
	// Nil = no probe yet.
	trouble atomic.Pointer[string]
	// waits says that the log tells that this instance waits for its address.
	waits atomic.Bool
}

// server returns the server of the management port. It has a port of its own, because it has no
// authentication.
func (m *management) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", m.readyz)
	mux.HandleFunc("GET /drain", m.drainStatus)
	mux.HandleFunc("GET /status", m.statusJSON)
	mux.Handle("GET /{$}", status.Handler(m.snapshot, time.Now))
	options := promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: maxScrapes}
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, options))
	return &http.Server{
		Handler:      mux,
		ReadTimeout:  managementTimeout,
		WriteTimeout: managementTimeout,
		IdleTimeout:  idleTimeout,
		ErrorLog:     slog.NewLogLogger(logr.ToSlogHandler(m.log.WithName("management")), slog.LevelDebug),
	}
}

// readyz answers 200 while the proxy accepts new operations. That means: recovery is complete, the
// proxy is not stopping, its own address and the other instances are known, and the state folder is
// writable and has room. When it answers 503, the proxy still serves reads. It does not ask the
// remote side. While the remote side is unreachable, requests are still accepted, because accepted
// operations are on disk and are signed later.
func (m *management) readyz(w http.ResponseWriter, r *http.Request) {
	ready, why := m.readiness(r.Context())
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, why+"\n")
}

// readiness reports whether new operations are accepted, and if not, why.
func (m *management) readiness(ctx context.Context) (bool, string) {
	switch {
	case m.phase.draining.Load() && closed(m.departure.forGood):
		return false, "leaving for good"
	case m.phase.draining.Load():
		return false, "stopping"
	}
	select {
	case <-m.phase.ready:
	default:
		return false, "starting"
	}
	if !m.instances.published() {
		m.noteUnpublished()
		return false, unpublished
	}
	if !m.instances.peersKnown() {
		return false, "the peers file could not be read yet"
	}
	if m.keys.settling() {
		return false, "loading what is known about Idempotency-Keys, here or from the other instances"
	}
	// The check must not fail because the prober has closed the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	err := m.state.store.Check(ctx)
	trouble := ""
	switch {
	case err == nil:
	case signing.KindOf(err) == signing.KindBusy:
		trouble = "the state folder has no room"
	default:
		trouble = "the state folder is not writable"
	}
	m.noteTrouble(trouble, err)
	if cause := errors.Unwrap(err); trouble != "" && cause != nil {
		return false, trouble + ": " + cause.Error()
	}
	return trouble == "", cmp.Or(trouble, "ready")
}

// unpublished is the reason of an instance that waits for its address.
const unpublished = "the address of this instance is not known yet: no controller has published it; " +
	"check that the controller runs and what its log says"

// noteUnpublished logs once that this instance waits for its address, and how to find out why.
func (m *management) noteUnpublished() {
	if m.waits.Swap(true) {
		return
	}
	m.log.Info("this instance is not ready until a controller has published its address",
		"reason", "kubectl describe pod "+m.cfg.InstanceName,
		"controllerLog", "kubectl logs -l app.kubernetes.io/component=controller")
}

// noteTrouble logs a fault of the state folder once, not at each probe. It also logs when the fault
// is over.
func (m *management) noteTrouble(trouble string, err error) {
	switch last := m.trouble.Swap(&trouble); {
	case last != nil && *last == trouble, last == nil && trouble == "":
	case trouble == "":
		m.log.Info("the state folder is writable again")
	default:
		m.log.Error(err, trouble)
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the prober may have closed the connection
}
