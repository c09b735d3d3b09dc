// Package memorylimit keeps the memory limit of the Go runtime (GOMEMLIMIT) at nine tenths of the
// memory limit of the container, also while that changes.
package memorylimit

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// interval is the time between two looks at the cgroup. A kubelet applies a resize of a pod within
	// seconds to minutes, and a look reads three small files.
	interval = 5 * time.Second
	// variable is the environment variable with which an operator sets the limit of the runtime.
	variable = "GOMEMLIMIT"
)

// Config is what a Follower needs.
type Config struct {
	Log        logr.Logger
	Registerer prometheus.Registerer // gets signstash_container_memory_limit_bytes; nil = no metric

	// What tests replace. nil = the cgroup of the process, the runtime, the environment and a ticker.
	read   func() (uint64, error)
	set    func(int64) int64
	getenv func(string) (string, bool)
	tick   <-chan time.Time
}

// Follower follows the memory limit of the cgroup of the process, of version 1 or 2. The lowest
// limit of the cgroup and of the cgroups above it that the process can see counts.
//
// The limit of the runtime is soft: near it the garbage collector works harder, before the kernel
// ends the process. A tenth stays free for memory that the runtime does not count.
type Follower struct {
	Config
	metric prometheus.Gauge
	last   int64 // container's limit in bytes; 0 = none
	failed bool  // the last look failed
}

// New returns a Follower that has looked once, so that the limit holds before the caller goes on.
func New(c Config) *Follower {
	if c.read == nil {
		c.read = memlimit.FromCgroup
	}
	if c.set == nil {
		c.set = debug.SetMemoryLimit
	}
	if c.getenv == nil {
		c.getenv = os.LookupEnv
	}
	f := &Follower{Config: c, metric: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "signstash_container_memory_limit_bytes",
		Help: "Memory limit of the container in bytes, which changes when a pod is resized; 0 = no limit is known.",
	})}
	if c.Registerer != nil {
		c.Registerer.MustRegister(f.metric)
	}
	if value, ok := c.getenv(variable); ok {
		f.Log.Info("the memory limit of the runtime is set by the environment and does not follow the container",
			variable, value)
	}
	f.look()
	return f
}

// Run looks at the limit again and again until ctx is done. It then returns nil.
func (f *Follower) Run(ctx context.Context) error {
	if f.tick == nil {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		f.tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.tick:
			f.look()
		}
	}
}

// look reads the limit of the container, and sets that of the runtime if it has changed. If the
// limit cannot be read, the last one stays, and each failure after a success is logged once.
func (f *Follower) look() {
	limit, err := f.limit()
	if err != nil {
		if !f.failed {
			f.Log.Info("could not read the memory limit of the container; the last known limit stays",
				"limit", f.last, "reason", err.Error())
		}
		f.failed = true
		return
	}
	f.failed = false
	if limit == f.last {
		return
	}
	before := f.last
	f.last = limit
	f.metric.Set(float64(limit))
	if _, ok := f.getenv(variable); ok {
		return
	}
	soft := int64(math.MaxInt64)
	if limit > 0 {
		soft = max(limit/10*9, 1)
	}
	f.set(soft)
	f.Log.Info("set the memory limit of the runtime", "container", limit, "before", before, "runtime", soft)
}

// limit returns the limit of the container in bytes; 0 = none. A machine without cgroups has no
// limit, which is no fault.
func (f *Follower) limit() (int64, error) {
	limit, err := f.read()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup),
		errors.Is(err, memlimit.ErrCgroupsNotSupported):
		return 0, nil
	case err != nil:
		return 0, err
	case limit >= math.MaxInt64/2: // "no limit" of version 1, less a page or so
		return 0, nil
	}
	return int64(limit), nil
}
