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
	// idleTimeout is longer than the 60 s after which load balancers usually close a connection. The
	// side that closes last does not lose a request that is being sent.
	idleTimeout = 90 * time.Second
	// managementTimeout bounds a whole management request. Probes and scrapes are small and come from
	// nearby.
	managementTimeout = 30 * time.Second
	// cutTimeout is how long parts that outlived the grace period may take to stop after their context
	// is cancelled.
	cutTimeout = time.Second
	// restartTime is the Retry-After of a request that the stop cut off. A restart takes about this
	// long.
	restartTime = 10 * time.Second
)

// serve runs the proxy until ctx is done or a part of it fails. It stops in order: accept no new
// work, finish running work, send the answers, close the ports.
func (p *proxy) serve(ctx context.Context) error {
	if err := removeReadyFile(p.cfg.ReadyFile); err != nil {
		return err
	}
	// Each part has its own context, which serve cancels in order. The signal cancels none of them
	// directly.
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
	t.start("credentials", func() error { return p.credentials.Run(background) })
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
	stopWork() // from here new operations are refused with Retry-After; running ones may use the grace period
	select {
	case <-service:
	case <-end.Done(): // a slow provider; the next start finds its signatures or counts them as unknown
		p.log.Info("calls are left without their answers: the grace period is over")
	}
	p.endRequests(end, rest, cutRequests)
	stopBackground()
	_ = management.Close()
	t.wait()
	p.log.Info("stopped")
	return errors.Join(failure, removeReadyFile(p.cfg.ReadyFile))
}

// delay reports not ready and keeps working for the shutdown delay, because load balancers may
// still send requests here.
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

// signingGrace is the part of the grace period in which operations may end. The rest is for sending
// their answers.
func (p *proxy) signingGrace() time.Duration { return max(p.cfg.ShutdownGrace*4/5, time.Nanosecond) }

// endRequests waits for running requests until ctx is done, then cancels them.
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

// restServer returns the server of the API. Its requests are cancelled at the latest when ctx is
// done.
func (p *proxy) restServer(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:     p.closing(p.tracing.handler(p.api.Handler())),
		BaseContext: func(net.Listener) context.Context { return ctx },
		IdleTimeout: idleTimeout,
		ErrorLog:    slog.NewLogLogger(logr.ToSlogHandler(p.log.WithName("http")), slog.LevelDebug),
	}
}

// closing closes each connection after its next answer once the process was asked to stop. Clients
// then open a new connection, which is routed to another instance. Idle connections stay open,
// because closing them could lose a request that is being sent.
func (p *proxy) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// announce logs the addresses of the proxy. It writes the ready file once the proxy accepts
// operations.
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

// address returns an address for net.Listen. An empty host means all addresses.
func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// tasks are the long-running parts of the proxy.
type tasks struct {
	log     logr.Logger
	running sync.WaitGroup
	failed  chan error // capacity 1: the first failure stops the proxy; later ones are consequences
}

func newTasks(log logr.Logger) *tasks { return &tasks{log: log, failed: make(chan error, 1)} }

// start runs a part and returns a channel that is closed when the part has ended. An HTTP server
// ends with http.ErrServerClosed, which is not a failure.
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

// wait returns when all parts have ended, or after cutTimeout. A call that is still running then
// ends with the process.
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
