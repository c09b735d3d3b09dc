package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// idleTimeout is longer than the 60 s after which load balancers usually close a connection: the
	// side that closes last does not lose a request that was just being sent.
	idleTimeout = 90 * time.Second
	// managementTimeout bounds the whole of a management request: probes and scrapes are small and
	// near.
	managementTimeout = 30 * time.Second
	// cutTimeout is how long what outlived the grace period may take to notice that it was cut.
	cutTimeout = time.Second
	// restartTime is when a client whose request was cut should come again: a restart takes about as
	// long.
	restartTime = 10 * time.Second
)

// serve runs the proxy until ctx is done or a part of it fails, and ends it in order: no new work,
// running work finished, answers sent, ports closed.
func (p *proxy) serve(ctx context.Context) error {
	if err := removeReadyFile(p.cfg.ReadyFile); err != nil {
		return err
	}
	// Each part has a context of its own, ended by drain in its turn: the signal ends none of them at
	// once.
	life := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancel(life)
	background, stopBackground := context.WithCancel(life)
	requests, cutBecause := context.WithCancelCause(life)
	cutRequests := func() { cutBecause(signing.Errorf(signing.KindBusy, "the service is stopping").Retryable(restartTime)) }
	defer stopWork()
	defer stopBackground()
	defer cutRequests()

	rest, management := p.restServer(requests), p.managementServer()
	restPort, managementPort, err := p.limitConnections(rest, management)
	if err != nil {
		return err
	}
	t := newTasks(p.log)
	t.start("client services", func() error { return p.clients.Start(background) })
	if p.certificate != nil {
		t.start("certificate", func() error { return p.certificate.Start(background) })
	}
	t.start("token key", func() error { return p.watchTokenKey(background) })
	t.start("instances", func() error { return p.instances.Start(background) })
	t.start("retention", func() error { return p.store.Run(background) })
	t.start("management port", func() error { return management.Serve(managementPort) })
	t.start("REST port", func() error { return rest.Serve(restPort) })
	service := t.start("signing", func() error { return p.service.Start(work) })
	t.start("callbacks", func() error { return p.callbacks.Run(background) })
	t.start("credentials", func() error { p.providers.watchCredentials(background); return nil })
	t.start("ready", func() error { return p.announce(background) })

	var failure error
	select {
	case <-ctx.Done():
		p.log.Info("stopping", "delay", p.cfg.ShutdownDelay.String(), "grace", p.cfg.ShutdownGrace.String())
		failure = p.delay(t)
	case failure = <-t.failed:
	}
	p.draining.Store(true)
	end, cancel := context.WithTimeout(life, p.cfg.ShutdownGrace)
	defer cancel()
	stopWork() // new operations are refused with Retry-After from here; running ones have their grace
	select {
	case <-service:
	case <-end.Done(): // a provider that takes its time; what it made is found or counted as unknown by the next start
		p.log.Info("calls are left without their answers: the grace period is over")
	}
	p.endRequests(end, rest, cutRequests)
	stopBackground()
	_ = management.Close()
	t.wait()
	p.log.Info("stopped")
	return errors.Join(failure, removeReadyFile(p.cfg.ReadyFile))
}

// delay is unready and works on, for as long as others may still think that requests are welcome
// here.
func (p *proxy) delay(t *tasks) error {
	p.draining.Store(true)
	timer := time.NewTimer(p.cfg.ShutdownDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case failure := <-t.failed:
		return failure
	}
}

// signingGrace is the part of the grace period in which operations may end; the rest is for sending
// their answers.
func (p *proxy) signingGrace() time.Duration { return max(p.cfg.ShutdownGrace*4/5, time.Nanosecond) }

// endRequests lets running requests end until ctx is done, then cuts them.
func (p *proxy) endRequests(ctx context.Context, rest *http.Server, cut func()) {
	if rest.Shutdown(ctx) == nil {
		return
	}
	p.log.Info("requests are cut: the grace period is over")
	cut()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutTimeout)
	defer cancel()
	if rest.Shutdown(last) != nil {
		_ = rest.Close()
	}
}

// restServer serves the API. Its requests end with ctx at the latest.
func (p *proxy) restServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:     p.closing(p.tracing.handler(p.api.Handler())),
		BaseContext: func(net.Listener) context.Context { return ctx },
		IdleTimeout: idleTimeout,
		ErrorLog:    slog.NewLogLogger(logr.ToSlogHandler(p.log.WithName("http")), slog.LevelDebug),
	}
}

// closing ends connections with their next answer once the process was asked to end: what comes on
// a new connection is led to another instance. To close idle ones would lose a request that is just
// being sent.
func (p *proxy) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// announce tells where the proxy listens, and once it takes operations writes the ready file.
func (p *proxy) announce(ctx context.Context) error {
	endpoint, _ := p.instances.Endpoint()
	p.log.Info(
		"listening",
		"rest",
		p.rest.Addr().String(),
		"management",
		p.management.Addr().String(),
		"tls",
		p.certificate != nil,
		"endpoint",
		endpoint.HostPort(),
	)
	select {
	case <-ctx.Done():
		return nil
	case <-p.opened:
	}
	p.log.Info("ready")
	return writeReadyFile(p.cfg.ReadyFile, addresses{
		REST: p.rest.Addr().String(), Management: p.management.Addr().String(), TLS: p.certificate != nil,
	})
}

// address is what net.Listen takes; no host means all addresses.
func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// tasks are the long-running parts of the proxy.
type tasks struct {
	log     logr.Logger
	running sync.WaitGroup
	failed  chan error // capacity 1: the first failure ends the proxy, later ones are consequences
}

func newTasks(log logr.Logger) *tasks { return &tasks{log: log, failed: make(chan error, 1)} }

// start runs a part and returns a channel that is closed when it has ended. Servers end with
// http.ErrServerClosed: no failure.
func (t *tasks) start(name string, run func() error) <-chan struct{} {
	ended := make(chan struct{})
	t.running.Go(func() {
		defer close(ended)
		err := run()
		if err == nil || errors.Is(err, http.ErrServerClosed) {
			return
		}
		t.log.Error(err, "a part of the proxy ended; stopping", "part", name)
		select {
		case t.failed <- fmt.Errorf("run %s: %w", name, err):
		default:
		}
	})
	return ended
}

// wait returns when all parts have ended, or after cutTimeout: a call that is left behind ends with
// the process.
func (t *tasks) wait() {
	ended := make(chan struct{})
	go func() {
		t.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(cutTimeout):
	}
}
