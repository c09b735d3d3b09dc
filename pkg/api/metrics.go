package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// metrics counts requests. A label has few values: the pattern of a route, never a path.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	received  *prometheus.CounterVec
	sent      *prometheus.CounterVec
	inFlight  prometheus.Gauge
	uploads   prometheus.Gauge
	downloads prometheus.Gauge
	tokens    prometheus.Counter
	claims    *prometheus.CounterVec
}

func newMetrics() *metrics {
	byRoute := []string{"route"}
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_api_requests_total",
			Help: "Requests answered, by route, HTTP status (499: the client went away) and error code.",
		}, []string{"route", "status", "error_code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signstash_api_request_duration_seconds", Help: "Time from the request's header to the end of the answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, byRoute),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_api_received_bytes_total", Help: "Bytes of request bodies read.",
		}, byRoute),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_api_sent_bytes_total", Help: "Bytes of answers written.",
		}, byRoute),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_api_requests_in_flight", Help: "Requests that are being answered, waiting sync requests included.",
		}),
		uploads: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_api_uploads_in_flight", Help: "Request bodies that are being read.",
		}),
		downloads: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_api_downloads_in_flight", Help: "Answers with documents that are being sent.",
		}),
		tokens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signstash_api_tokens_issued_total", Help: "Tokens issued by the token endpoint.",
		}),
		claims: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_key_claims_total",
			Help: "Idempotency-Keys that this instance claimed, by outcome: create, forward (another instance owns the key), " +
				"refuse (the home of the key does not answer).",
		}, []string{"outcome"}),
	}
}

// start creates at 0 the series that alerts watch, for every route. Otherwise increase() misses the
// first event. An unhandled fault is a 500, or it breaks off an answer that began with 200.
func (m *metrics) start(routes []string) {
	code := answers[signing.KindInternal].code
	for _, route := range routes {
		m.requests.WithLabelValues(route, "500", code)
		m.requests.WithLabelValues(route, "200", code)
	}
	for _, outcome := range []keyhome.Outcome{keyhome.Create, keyhome.Forward, keyhome.Refuse} {
		m.claims.WithLabelValues(string(outcome))
	}
}

// register registers all metrics with r, or none of them. r may be nil.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	all := []prometheus.Collector{m.requests, m.duration, m.received, m.sent, m.inFlight, m.uploads, m.downloads, m.tokens,
		m.claims}
	for i, c := range all {
		if err := r.Register(c); err != nil {
			for _, done := range all[:i] {
				r.Unregister(done)
			}
			return err
		}
	}
	return nil
}

func (m *metrics) begin() { m.inFlight.Inc() }

func (m *metrics) end(x *exchange) {
	m.inFlight.Dec()
	m.requests.WithLabelValues(x.route, strconv.Itoa(x.loggedStatus()), x.code).Inc()
	m.duration.WithLabelValues(x.route).Observe(time.Since(x.began).Seconds())
	m.received.WithLabelValues(x.route).Add(float64(x.body.n))
	m.sent.WithLabelValues(x.route).Add(float64(x.w.written))
}
