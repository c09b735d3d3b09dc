package endpoints

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the endpoints.
type metrics struct {
	published, missing prometheus.Gauge
	// expected has no value before the first look: a controller that has just started, or one that
	// does not lead, knows of nothing.
	expected *prometheus.GaugeVec
}

func newMetrics() *metrics {
	return &metrics{
		published: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_published", Help: "Pods of the proxy whose address is known.",
		}),
		missing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_missing",
			Help: "Pods of the proxy whose address is not known: they take no new work.",
		}),
		// Instances have one of the same name, and this one is there when none of them is.
		expected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_instances_expected", Help: "Instances of the proxy that there shall be, by the StatefulSet.",
		}, nil),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	return errors.Join(r.Register(m.published), r.Register(m.missing), r.Register(m.expected))
}

func (m *metrics) looked(expected int, instances []instance) {
	m.expected.WithLabelValues().Set(float64(expected))
	known := 0
	for _, i := range instances {
		if i.address.why == "" {
			known++
		}
	}
	m.published.Set(float64(known))
	m.missing.Set(float64(len(instances) - known))
}
