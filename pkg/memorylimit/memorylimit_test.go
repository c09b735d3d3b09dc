package memorylimit

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
)

const mebibyte = 1 << 20

// container is the limit of a container that tests change.
type container struct {
	limit uint64
	err   error
	set   []int64 // what the runtime got
	log   []string
	env   string
}

func (c *container) config() Config {
	return Config{
		Log:        funcr.New(func(_, args string) { c.log = append(c.log, args) }, funcr.Options{}),
		Registerer: prometheus.NewRegistry(),
		read:       func() (uint64, error) { return c.limit, c.err },
		set:        func(n int64) int64 { c.set = append(c.set, n); return 0 },
		getenv:     func(string) (string, bool) { return c.env, c.env != "" },
	}
}

// value returns the metric.
func value(t *testing.T, f *Follower) int64 {
	t.Helper()
	families, err := f.Registerer.(*prometheus.Registry).Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	return int64(families[0].GetMetric()[0].GetGauge().GetValue())
}

func TestFollowsResizes(t *testing.T) {
	t.Parallel()
	c := &container{limit: 100 * mebibyte}
	f := New(c.config())
	steps := []struct {
		name   string
		limit  uint64
		err    error
		metric int64
		want   int64 // what the runtime gets; 0 = nothing
	}{
		{name: "unchanged", limit: 100 * mebibyte, metric: 100 * mebibyte},
		{name: "larger", limit: 200 * mebibyte, metric: 200 * mebibyte, want: 200 * mebibyte / 10 * 9},
		{name: "smaller", limit: 50 * mebibyte, metric: 50 * mebibyte, want: 50 * mebibyte / 10 * 9},
		{name: "unreadable", err: errors.New("input/output error"), metric: 50 * mebibyte},
		{name: "no limit", err: memlimit.ErrNoLimit, metric: 0, want: math.MaxInt64},
		{name: "limit again", limit: 64 * mebibyte, metric: 64 * mebibyte, want: 64 * mebibyte / 10 * 9},
		{name: "no limit in version 1", limit: math.MaxInt64 - 4095, metric: 0, want: math.MaxInt64},
	}
	for _, s := range steps {
		c.limit, c.err, c.set = s.limit, s.err, nil
		f.look()
		if got := value(t, f); got != s.metric {
			t.Errorf("%s: the metric is %d, want %d", s.name, got, s.metric)
		}
		if want := s.want != 0; want != (len(c.set) == 1) || want && c.set[0] != s.want {
			t.Errorf("%s: the runtime got %v, want %d", s.name, c.set, s.want)
		}
	}
}

func TestLooksAtOnceAndAtEachTick(t *testing.T) {
	t.Parallel()
	c := &container{limit: 100 * mebibyte}
	config, tick := c.config(), make(chan time.Time)
	config.tick = tick
	f := New(config)
	if len(c.set) != 1 || c.set[0] != 100*mebibyte/10*9 {
		t.Fatalf("New gave the runtime %v", c.set)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx) }()
	c.limit = 300 * mebibyte
	tick <- time.Time{}
	tick <- time.Time{} // taken when the look before it has ended
	cancel()
	if err := <-ended; err != nil || len(c.set) != 2 || c.set[1] != 300*mebibyte/10*9 {
		t.Errorf("after a resize the runtime got %v; Run returned %v", c.set, err)
	}
}

func TestEnvironmentWins(t *testing.T) {
	t.Parallel()
	c := &container{limit: 100 * mebibyte, env: "64MiB"}
	f := New(c.config())
	c.limit = 200 * mebibyte
	f.look()
	if len(c.set) != 0 {
		t.Errorf("the runtime got %v in spite of GOMEMLIMIT", c.set)
	}
	if got := value(t, f); got != 200*mebibyte {
		t.Errorf("the metric is %d", got)
	}
	if len(c.log) != 1 || !strings.Contains(c.log[0], "64MiB") {
		t.Errorf("log: %q", c.log)
	}
}

func TestFailuresAreLoggedOnce(t *testing.T) {
	t.Parallel()
	c := &container{err: errors.New("input/output error")}
	f := New(c.config())
	f.look()
	if len(c.log) != 1 || !strings.Contains(c.log[0], "input/output error") || len(c.set) != 0 {
		t.Errorf("log %q, runtime got %v", c.log, c.set)
	}
	c.err, c.limit = nil, mebibyte
	f.look()
	c.err = errors.New("gone")
	f.look()
	if len(c.log) != 3 {
		t.Errorf("log: %q", c.log)
	}
}

func TestNoCgroups(t *testing.T) {
	t.Parallel()
	for _, err := range []error{memlimit.ErrCgroupsNotSupported, memlimit.ErrNoCgroup} {
		c := &container{err: err}
		New(c.config())
		if len(c.set) != 0 || len(c.log) != 0 {
			t.Errorf("%v: runtime got %v, log %q", err, c.set, c.log)
		}
	}
}

// TestThisMachine reads the real cgroup files of this process, whatever they say.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	f := New(Config{Log: logr.Discard(), Registerer: prometheus.NewRegistry(), set: func(int64) int64 { return 0 }})
	if f.failed {
		_, err := f.limit()
		t.Errorf("the limit of this process cannot be read: %v", err)
	}
}
