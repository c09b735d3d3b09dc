package endpoints

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the endpoints.
type metrics struct{ published, missing prometheus.Gauge }

func newMetrics() *metrics {
	return &metrics{
		published: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_published", Help: "Pods of the proxy whose address is known.",
		}),
		missing: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_endpoints_missing", Help: "Pods of the proxy whose address is not known: they take no new work.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	return errors.Join(r.Register(m.published), r.Register(m.missing))
}

func (m *metrics) looked(instances []instance) {
	known := 0
	for _, i := range instances {
		if i.address.why == "" {
			known++
		}
	}
	m.published.Set(float64(known))
	m.missing.Set(float64(len(instances) - known))
}
