package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
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
// work, finish running work, linger if this instance leaves for good, send the answers, close the
// ports. again is closed at a second signal; see stopSignals.
func (p *proxy) serve(ctx context.Context, again <-chan struct{}) error {
	if err := removeReadyFile(p.cfg.ReadyFile); err != nil {
		return err
	}
	// Each part has its own context, which serve cancels in order. The signal cancels none of them
	// directly.
	life := context.WithoutCancel(ctx)
	work, stopWork := context.WithCancel(life)
	background, stopBackground := context.WithCancel(life)
	requests, cutBecause := context.WithCancelCause(life)
	cutRequests := func() {
		cutBecause(signing.Errorf(signing.KindBusy, "the service is stopping").Retryable(restartTime))
	}
	defer stopWork()
	defer stopBackground()
	defer cutRequests()

	rest, management := p.restServer(requests), p.management.server()
	if err := p.ports.limit(restConns(p.cfg, p.certificate), p.registry, rest, management); err != nil {
		return err
	}
	t := newTasks(p.log)
	p.startBackground(background, t)
	t.start("management port", func() error { return management.Serve(p.ports.management) })
	t.start("REST port", func() error { return rest.Serve(p.ports.rest) })
	service := t.start("signing", func() error { return p.service.Start(work) })

	failure := p.waitForSignal(ctx, t)
	p.draining.Store(true)
	if failure == nil {
		p.stop.begin(ctx, background, t)
	}
	handedOver := t.start("hand-over of claims", func() error {
		p.stop.drain.handedOver.Store(p.keys.leave(life, p.keys.unexpected() || closed(p.stop.departure.forGood)))
		return nil
	})
	if failure == nil {
		failure = p.delayStop(t)
	}
	if failure == nil {
		failure = p.stop.awaitDecision(life, t)
	}
	end := time.Now().Add(p.cfg.ShutdownGrace)
	p.stop.endWork(service, again, stopWork) // from here on new operations are refused with Retry-After
	<-handedOver                             // peers must reach this instance until its claims are handed over
	if failure == nil && p.stop.leaves() {
		failure = p.stop.linger(life, t, again)
		end = time.Now().Add(p.stop.lastAnswers(again))
	}
	p.stop.drain.enter(ending)
	limited, cancel := context.WithDeadline(life, end)
	defer cancel()
	p.endRequests(limited, rest, cutRequests)
	stopBackground()
	_ = management.Close()
	t.wait()
	p.log.Info("stopped")
	return errors.Join(failure, removeReadyFile(p.cfg.ReadyFile))
}

// startBackground starts the parts that run until everything else has stopped.
func (p *proxy) startBackground(ctx context.Context, t *tasks) {
	t.start("memory limit", func() error { return p.memory.Run(ctx) })
	t.start("client services", func() error { return p.clients.Start(ctx) })
	if p.certificate != nil {
		t.start("certificate", func() error { return p.certificate.Start(ctx) })
	}
	t.start("token key", func() error { return p.watchTokenKey(ctx) })
	t.start("instances", func() error { return p.instances.files.Start(ctx) })
	t.start("key homes", func() error { return p.keys.run(ctx) })
	t.start("retention", func() error { return p.state.store.Run(ctx) })
	t.start("callbacks", func() error { return p.callbacks.Run(ctx) })
	t.start("credentials", func() error { return p.credentials.Run(ctx) })
	if p.hotFolder != nil {
		t.start("hot folder", func() error { return p.hotFolder.Run(ctx) })
	}
	t.start("ready", func() error { return p.announce(ctx) })
}

// waitForSignal returns when ctx is done, or with the error of a part that fails.
func (p *proxy) waitForSignal(ctx context.Context, t *tasks) error {
	select {
	case <-ctx.Done():
		p.log.Info("stopping", "delay", p.cfg.ShutdownDelay.String(), "grace", p.cfg.ShutdownGrace.String())
		return nil
	case failure := <-t.failed:
		return failure
	}
}

// delayStop returns when the shutdown delay is over, or earlier with the error of a part that
// fails. During the delay the proxy reports not ready and keeps working, because load balancers may
// still send requests here.
func (p *proxy) delayStop(t *tasks) error {
	timer := time.NewTimer(p.cfg.ShutdownDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case failure := <-t.failed:
		return failure
	}
}

// signingGrace returns the part of the grace period in which operations may end. The rest is for
// sending their answers.
func signingGrace(grace time.Duration) time.Duration { return max(grace*4/5, time.Nanosecond) }

// endRequests waits for running requests until ctx is done, then cancels them.
func (p *proxy) endRequests(ctx context.Context, rest *http.Server, cut func()) {
	if rest.Shutdown(ctx) == nil {
		return
	}
	p.log.Info("the grace period ended before all requests were answered; cancelling them")
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

// announce logs the addresses of the proxy. It writes the ready file once the proxy accepts
// operations.
func (p *proxy) announce(ctx context.Context) error {
	rest, management := p.ports.rest.Addr().String(), p.ports.management.Addr().String()
	p.log.Info("listening", "rest", rest, "management", management, "tls", p.certificate != nil,
		"endpoint", p.instances.endpoint().HostPort())
	if p.cfg.Server.AllowPlaintext {
		p.log.Info("WARNING: the REST port accepts connections without TLS too, because of --server.ssl.allow-plaintext; " +
			"remove the flag when signstash_plaintext_requests_total does not rise any more")
	}
	select {
	case <-ctx.Done():
		return nil
	case <-p.ready:
	}
	p.log.Info("ready")
	return writeReadyFile(p.cfg.ReadyFile, addresses{REST: rest, Management: management, TLS: p.certificate != nil})
}
