package clients

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// metrics are the metrics of the rendering. No label holds data of a client service.
type metrics struct {
	// services has no value before the first rendering, so that an alert can distinguish a controller
	// that works from one that never gets that far.
	services *prometheus.GaugeVec
	bytes    prometheus.Gauge
	refused  *prometheus.GaugeVec
	writes   prometheus.Counter
}

// reasons are the values that the metric of refused Secrets always has, also while they are 0.
var reasons = [...]string{reasonInvalid, reasonDuplicate, reasonTooLarge, reasonProvider}

func newMetrics() *metrics {
	return &metrics{
		services: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_controller_client_services",
			Help: "Client services in the rendered Secret; absent until this controller has rendered it once.",
		}, nil),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "signstash_controller_rendered_bytes",
			Help: "Size in bytes of the values of the rendered Secret. The limit is 1048576.",
		}),
		refused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_controller_client_secrets_refused",
			Help: "Secrets that are not rendered with their current content, by reason: " +
				"InvalidClientService, DuplicateClientID, TooLarge or UnknownProvider.",
		}, []string{"reason"}),
		writes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "signstash_controller_rendered_writes_total",
			Help: "Writes of the rendered Secret.",
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.services, m.bytes, m.refused, m.writes} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register metrics of client Secrets: %w", err)
		}
	}
	return nil
}

func (m *metrics) rendered(services int, data map[string][]byte, faults map[types.UID]fault) {
	m.services.WithLabelValues().Set(float64(services))
	bytes := 0
	for _, value := range data {
		bytes += len(value)
	}
	m.bytes.Set(float64(bytes))
	counts := map[string]int{}
	for _, f := range faults {
		counts[f.reason]++
	}
	for _, reason := range reasons {
		m.refused.WithLabelValues(reason).Set(float64(counts[reason]))
	}
}
