package connlimit

import "github.com/prometheus/client_golang/prometheus"

// Reasons why connections are closed.
const (
	reasonFull    = "full"    // another connection needed the place
	reasonRefused = "refused" // a new connection got no place, because all others are held
	reasonHead    = "head"    // the head of a request exceeded a limit
)

// Metrics count the connections of all listeners of a process, by port.
type Metrics struct {
	open  *prometheus.GaugeVec
	ended *prometheus.CounterVec
}

// NewMetrics returns the metrics and registers them with r. r may be nil.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_connections", Help: "Connections that are open, by port: rest or management.",
		}, []string{"port"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_connections_closed_total",
			Help: "Connections closed to protect the proxy, by port and reason: full (an idle one made room for " +
				"another), refused (all places serve client services), head (a request's head exceeded a limit).",
		}, []string{"port", "reason"}),
	}
	if r == nil {
		return m, nil
	}
	if err := r.Register(m.open); err != nil {
		return nil, err
	}
	return m, r.Register(m.ended)
}

// start creates the series of a port at 0. Otherwise increase() misses the first event.
func (m *Metrics) start(port string) {
	m.open.WithLabelValues(port)
	for _, reason := range []string{reasonFull, reasonRefused, reasonHead} {
		m.ended.WithLabelValues(port, reason)
	}
}

func (m *Metrics) opened(port string)         { m.open.WithLabelValues(port).Inc() }
func (m *Metrics) left(port string)           { m.open.WithLabelValues(port).Dec() }
func (m *Metrics) closed(port, reason string) { m.ended.WithLabelValues(port, reason).Inc() }
