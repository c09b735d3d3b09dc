package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// calls holds the HTTP clients for all outgoing calls. They share settings, but not connections or
// circuit breakers, because otherwise a broken timestamp authority on the host of the signing
// service would stop signatures.
type calls struct {
	remote, timestamp, revocation, token, callback *http.Client
}

// openCalls makes the HTTP clients from the settings for outgoing calls.
func openCalls(cfg config.Config, t *tracing, log logr.Logger, r prometheus.Registerer) (*calls, error) {
	opener := &callOpener{cfg: cfg, tracing: t, log: log.WithName("outbound"), metrics: newCallMetrics(r)}
	c := &calls{}
	for _, made := range []struct {
		client  **http.Client
		purpose string
		guard   *outbound.Guard // where others choose the addresses
	}{
		{&c.remote, "signing", nil},
		{&c.timestamp, "timestamp", nil},
		{&c.revocation, "revocation", cfg.Revocation.Guard()},
		{&c.token, "token", nil},
		{&c.callback, "callback", cfg.Callback.Guard()},
	} {
		client, err := opener.open(made.purpose, made.guard)
		if err != nil {
			return nil, err
		}
		*made.client = client
	}
	return c, nil
}

// callOpener makes the HTTP clients of calls.
type callOpener struct {
	cfg     config.Config
	tracing *tracing
	log     logr.Logger
	metrics *callMetrics
}

// open makes the HTTP client for one purpose.
func (o *callOpener) open(purpose string, guard *outbound.Guard) (*http.Client, error) {
	log := o.log.WithValues("purpose", purpose)
	for _, s := range []outbound.State{outbound.Closed, outbound.HalfOpen, outbound.Open} {
		// Create the series at 0. Otherwise increase() misses the first event.
		o.metrics.breaks.WithLabelValues(purpose, string(s))
	}
	client, err := outbound.New(outbound.Config{
		Settings:  o.cfg.Outbound,
		UserAgent: "signstash-proxy/" + version,
		Guard:     guard,
		Breaker: outbound.Breaker{Changed: func(host string, s outbound.State) {
			log.Info("circuit breaker changed its state", "host", host, "state", string(s))
			o.metrics.breaks.WithLabelValues(purpose, string(s)).Inc()
		}},
	})
	if err != nil {
		return nil, err
	}
	client.Transport = &measured{
		next: o.tracing.transport(client.Transport, purpose),
		took: o.metrics.took.MustCurryWith(prometheus.Labels{"purpose": purpose}),
	}
	return client, nil
}

// callMetrics counts outgoing calls. The host is not a label, because certificates may name any
// number of hosts.
type callMetrics struct {
	took   *prometheus.HistogramVec
	breaks *prometheus.CounterVec
}

func newCallMetrics(r prometheus.Registerer) *callMetrics {
	m := &callMetrics{
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signstash_outbound_request_duration_seconds",
			Help: "Outgoing HTTP requests until the head of their answer, by purpose (signing, timestamp, revocation, " +
				"token, callback) and status; none = no answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, []string{"purpose", "status"}),
		breaks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_outbound_breaker_changes_total",
			Help: "Changes of circuit breakers, by purpose and new state: open, half-open, closed.",
		}, []string{"purpose", "state"}),
	}
	r.MustRegister(m.took, m.breaks)
	return m
}

// measured is an http.RoundTripper that counts its requests.
type measured struct {
	next http.RoundTripper
	took prometheus.ObserverVec
}

// RoundTrip implements http.RoundTripper.
func (t *measured) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	answer, err := t.next.RoundTrip(r)
	status := "none"
	if err == nil {
		status = strconv.Itoa(answer.StatusCode)
		if answer.StatusCode < 100 || answer.StatusCode > 599 {
			status = "other"
		}
	}
	t.took.WithLabelValues(status).Observe(time.Since(start).Seconds())
	return answer, err
}

// CloseIdleConnections lets http.Client.CloseIdleConnections close the idle connections below.
func (t *measured) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
