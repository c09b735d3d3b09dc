package affinity

import (
	"sync"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// folders remembers the state folder of each of the other instances, and reports when an instance
// comes back with another one. What it stored before is lost then. Only what this instance has seen
// since its start is known. Safe for concurrent use.
type folders struct {
	log   logr.Logger
	lost  prometheus.Counter
	known sync.Map // identity of the state folder, by ordinal
}

func newFolders(log logr.Logger) *folders {
	return &folders{log: log, lost: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "signstash_state_folder_lost_total",
		Help: "How often another instance came back with another state folder than before. Its volume was lost or replaced.",
	})}
}

// note records that an instance has proved that it has the state folder of that identity. An empty
// identity is not known.
func (f *folders) note(peer *Published, state string) {
	if state == "" {
		return
	}
	before, known := f.known.Swap(peer.Ordinal, state)
	if !known || before == state {
		return
	}
	f.lost.Inc()
	f.log.Info("WARNING: another instance has a new state folder; "+
		"the operations, results and idempotency keys in its former folder are lost unless its volume comes back",
		"instance", peer.Name)
}
