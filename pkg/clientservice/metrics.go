package clientservice

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Watcher.
type metrics struct {
	reloads     *prometheus.CounterVec
	lastSuccess prometheus.Gauge
	inForce     prometheus.Gauge
	clients     prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_client_services_reloads_total",
			Help: "Versions of the client-services file that were read, by result: success or failure.",
		}, []string{"result"}),
		lastSuccess: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_client_services_last_success_timestamp_seconds",
			Help: "Unix time at which the version in force was read.",
		}),
		inForce: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_client_services_last_reload_successful",
			Help: "1 if the newest version of the file is in force, 0 if it was refused.",
		}),
		clients: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_client_services",
			Help: "Client services in force.",
		}),
	}
	m.reloads.WithLabelValues("success")
	m.reloads.WithLabelValues("failure")
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.reloads, m.lastSuccess, m.inForce, m.clients} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics of client services: %w", err)
		}
	}
	return nil
}

func (m *metrics) succeeded(clients int, at time.Time) {
	m.reloads.WithLabelValues("success").Inc()
	m.lastSuccess.Set(float64(at.UnixNano()) / 1e9)
	m.inForce.Set(1)
	m.clients.Set(float64(clients))
}

func (m *metrics) failed() {
	m.reloads.WithLabelValues("failure").Inc()
	m.inForce.Set(0)
}
