package main

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

const (
	// askEvery is the time between two looks at the directory while an instance stops. The controller
	// writes a new number of instances, and the kubelets mount it, within about a second.
	askEvery = time.Second
	// askTimeout bounds one question to the other instances. Most stops are no departure, and must not
	// wait for a peer that hangs.
	askTimeout = time.Second
)

// departure finds out whether a stopping instance leaves for good. It does if the operator does not
// want its ordinal any more. The order of the two events is not defined: when Kubernetes scales a
// StatefulSet down it stops the pod at once, and the new number reaches the peers file before or
// after that. A kubelet does not update the files of a pod that it stops, so the own peers file may
// never tell. The other instances know: they keep running, and their files are updated. Safe for
// concurrent use.
type departure struct {
	ordinal int
	own     func() (affinity.Directory, bool)              // by the own peers file
	ask     func(ctx context.Context) []affinity.Directory // by those of the other instances; nil = nobody to ask
	log     logr.Logger

	// forGood is closed when it is known that this instance leaves for good.
	forGood chan struct{}
	// returned is closed if this instance leaves for good and its ordinal is wanted again. Then its
	// successor waits for its end, because both use the same state folder.
	returned chan struct{}

	mu      sync.Mutex
	ordered bool               // by a signal: the directory does not matter
	told    affinity.Directory // the newest one of the other instances
}

func newDeparture(ordinal int, own func() (affinity.Directory, bool), log logr.Logger) *departure {
	return &departure{
		ordinal: ordinal, own: own, log: log, forGood: make(chan struct{}), returned: make(chan struct{}),
	}
}

// order makes this instance leave for good, whatever the directory says.
func (d *departure) order() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ordered = true
	if !closed(d.forGood) {
		close(d.forGood)
	}
}

// watch looks every second until ctx is done. The caller has looked once before.
func (d *departure) watch(ctx context.Context) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.look(ctx)
		}
	}
}

// await waits until it is known that this instance leaves for good, for at most limit. It returns
// the error of a part that fails meanwhile.
func (d *departure) await(limit time.Duration, failed <-chan error) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-d.forGood:
		return nil
	case <-timer.C:
		return nil
	case failure := <-failed:
		return failure
	}
}

// look decides by the newest directory that this instance and the others know.
func (d *departure) look(ctx context.Context) {
	var told []affinity.Directory
	if d.ask != nil {
		limited, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		told = d.ask(limited)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range told {
		if told[i].NewerThan(&d.told) {
			d.told = told[i]
		}
	}
	newest, _ := d.own()
	if d.told.NewerThan(&newest) {
		newest = d.told
	}
	switch removed := newest.Removed(d.ordinal); {
	case d.ordered:
	case removed && !closed(d.forGood):
		d.log.Info("this instance leaves for good, because fewer instances are wanted", "expected", newest.Expected)
		close(d.forGood)
	case !removed && closed(d.forGood) && !closed(d.returned):
		d.log.Info("this instance is wanted again, so it ends soon and lets its successor start",
			"expected", newest.Expected)
		close(d.returned)
	}
}

// successor names an instance that clients can use instead, such as "proxy-0 at host:port". It is
// empty if none is known.
func (d *departure) successor() string {
	own, _ := d.own()
	if e, ok := own.Successor(d.ordinal); ok {
		return e.Name + " at " + e.HostPort()
	}
	return ""
}

// closed reports whether a channel that nobody sends to is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
