package controller

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// registry registers the metrics of one manager, and removes them when it has ended. The next
// manager registers its own. It is safe for concurrent use.
type registry struct {
	prometheus.Registerer

	mu   sync.Mutex
	mine []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (r *registry) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mine = append(r.mine, c)
	return nil
}

// clear removes everything that was registered.
func (r *registry) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.mine {
		r.Unregister(c)
	}
	r.mine = nil
}
