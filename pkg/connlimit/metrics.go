package connlimit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Reasons why connections are closed.
const (
	reasonFull    = "full"    // another connection needed the place
	reasonRefused = "refused" // a new connection got no place, because all others are held
	reasonHead    = "head"    // the head of a request exceeded a limit
)

// Metrics count the connections of all listeners of a process, by port.
type Metrics struct {
	open      *prometheus.GaugeVec
	closed    *prometheus.CounterVec
	plaintext *prometheus.CounterVec
}

// NewMetrics returns the metrics and registers them with r. r may be nil.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "signstash_connections", Help: "Connections that are open, by port: rest or management.",
		}, []string{"port"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_connections_closed_total",
			Help: "Connections closed to protect the proxy, by port and reason: full (an idle one made room for " +
				"another), refused (all places serve client services), head (a request's head exceeded a limit).",
		}, []string{"port", "reason"}),
		plaintext: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signstash_plaintext_requests_total",
			Help: "Requests without TLS on a port that uses TLS but accepts both for now, by port.",
		}, []string{"port"}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.open), r.Register(m.closed), r.Register(m.plaintext))
}

// createSeries creates the series of a port with the value 0. Otherwise the function increase() of
// Prometheus misses the first event.
func (m *Metrics) createSeries(port string, allowsPlaintext bool) {
	if allowsPlaintext {
		m.plaintext.WithLabelValues(port)
	}
	m.open.WithLabelValues(port)
	for _, reason := range []string{reasonFull, reasonRefused, reasonHead} {
		m.closed.WithLabelValues(port, reason)
	}
}

func (m *Metrics) addOpen(port string)    { m.open.WithLabelValues(port).Inc() }
func (m *Metrics) removeOpen(port string) { m.open.WithLabelValues(port).Dec() }

// countPlaintext counts a request without TLS.
func (m *Metrics) countPlaintext(port string) { m.plaintext.WithLabelValues(port).Inc() }

// countClosed counts a connection that the proxy closed to protect itself.
func (m *Metrics) countClosed(port, reason string) { m.closed.WithLabelValues(port, reason).Inc() }
