package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// drainStatus answers GET /drain.
func (m *management) drainStatus(w http.ResponseWriter, r *http.Request) {
	remaining, err := m.state.store.Remaining(r.Context())
	if err != nil {
		m.log.Error(err, "could not count the results that were not fetched")
		answer(w, http.StatusServiceUnavailable, "the state folder cannot be read; the log says why\n")
		return
	}
	st, err := m.state.store.Stats(r.Context())
	if err != nil {
		m.log.Error(err, "could not count the claims that were not handed over")
		answer(w, http.StatusServiceUnavailable, "the state folder cannot be read; the log says why\n")
		return
	}
	d := client.Drain{
		Instance:          m.cfg.InstanceName,
		Phase:             m.drain.current().String(),
		ForGood:           m.drain.current() > running && closed(m.departure.forGood),
		PendingOperations: remaining.Operations,
		ResultsNotFetched: remaining.Results,
		CallbacksNotMade:  remaining.Callbacks,
	}
	if !m.drain.handedOver.Load() {
		d.ClaimsNotHandedOver = st.UncopiedClaims
	}
	if left, known := m.drain.left(time.Now()); known {
		seconds := int64(left / time.Second)
		d.SecondsLeft = &seconds
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(d) // an error means that the client is gone
}

// drainCollector reads the gauges of a stop at each scrape.
type drainCollector struct {
	drain     *drain
	departure *departure
}

// Descriptions of the metrics of drainCollector.
var (
	drainPhase   = describe("drain_phase", "1 for the phase of the stop that the instance is in, else 0.", "phase")
	drainForGood = describe("drain_for_good",
		"1 while the instance stops and will not be started again (scale-down), else 0.")
	drainUnfetched = describe("drain_unfetched_results",
		"Operations whose results clients have not fetched, while the instance lingers; else 0.")
	drainSeconds = describe("drain_seconds_left",
		"How long the instance stays at most, while it leaves for good; else 0.")
)

// Describe implements prometheus.Collector.
func (c *drainCollector) Describe(d chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{drainPhase, drainForGood, drainUnfetched, drainSeconds} {
		d <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *drainCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := c.drain.current()
	for p := running; p <= ending; p++ {
		gauge(drainPhase, oneIf(p == now), p.String())
	}
	gauge(drainForGood, oneIf(now > running && closed(c.departure.forGood)))
	unfetched := int64(0)
	if r := c.drain.remaining.Load(); r != nil {
		unfetched = r.Results
	}
	gauge(drainUnfetched, float64(unfetched))
	left, _ := c.drain.left(time.Now())
	gauge(drainSeconds, left.Seconds())
}
