package endpoints

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the endpoints.
type metrics struct {
	published, missing, kept prometheus.Gauge
	// expected has no value before the first reconciliation, because a controller that has just
	// started or does not lead does not know the number.
	expected *prometheus.GaugeVec
}

func newMetrics() *metrics {
	return &metrics{
		published: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_published", Help: "Pods of the proxy whose address is known.",
		}),
		missing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_missing",
			Help: "Pods of the proxy whose address is not known. They take no new work.",
		}),
		kept: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_kept",
			Help: "Pods of the proxy that are published at an address of a former mode, because they have none of the new one.",
		}),
		// The instances have a metric of the same name. This one exists even when no instance runs.
		expected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_instances_expected", Help: "Desired number of instances of the proxy, by the StatefulSet.",
		}, nil),
	}
}

// register registers the metrics and another one.
func (m *metrics) register(r prometheus.Registerer, other prometheus.Collector) error {
	if r == nil {
		return nil
	}
	return errors.Join(
		r.Register(m.published), r.Register(m.missing), r.Register(m.kept), r.Register(m.expected), r.Register(other))
}

// observe sets the metrics from the result of one reconciliation.
func (m *metrics) observe(expected int, instances []instance) {
	m.expected.WithLabelValues().Set(float64(expected))
	known, kept := 0, 0
	for _, i := range instances {
		if i.address.why == "" {
			known++
		}
		if i.address.waits != "" {
			kept++
		}
	}
	m.kept.Set(float64(kept))
	m.published.Set(float64(known))
	m.missing.Set(float64(len(instances) - known))
}
