package main_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// growth watches the resources that a long-running proxy uses.
type growth struct{ rss, files, goroutines []float64 }

// growthEvery is the time between two samples. The result counts only if the test lasts at least
// growthTime, because a shorter test is only warm-up.
const (
	growthEvery = 2 * time.Second
	growthTime  = 5 * time.Minute
	// growthFactor, with some tolerance, is what counts as growth. Smaller differences come from the
	// random state of the heap.
	growthFactor = 1.10
)

func (g *growth) watch(ctx context.Context, p *soakProxy) {
	every := time.NewTicker(growthEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if m, err := metricsOf(p.current.Load().Management); err == nil {
			g.rss = append(g.rss, m["process_resident_memory_bytes"])
			g.files = append(g.files, m["process_open_fds"])
			g.goroutines = append(g.goroutines, m["go_goroutines"])
		}
	}
}

// faults compares the last fifth of the samples with the second fifth, if the test was long enough.
// The first fifth is warm-up. Variation by traffic is small, because the number of clients is the
// same at the end.
func (g *growth) faults(log func(format string, args ...any), d time.Duration) (bad []string) {
	if due := int(d / growthEvery); d >= growthTime && len(g.rss) < due*4/5 {
		bad = append(bad,
			fmt.Sprintf("only %d samples of the surviving proxy, want %d, so growth cannot be judged", len(g.rss), due))
	}
	for _, one := range []struct {
		name  string
		all   []float64
		spare float64
	}{{"RSS in bytes", g.rss, 4 << 20}, {"open files", g.files, 4}, {"goroutines", g.goroutines, 8}} {
		n := len(one.all) / 5
		if n == 0 {
			continue
		}
		early, late := medianOf(one.all[n:2*n]), medianOf(one.all[len(one.all)-n:])
		log("%s: %.0f early, %.0f late, %.0f at most", one.name, early, late, slices.Max(one.all))
		if d >= growthTime && late > early*growthFactor+one.spare {
			bad = append(bad, fmt.Sprintf("%s grew from %.0f to %.0f", one.name, early, late))
		}
	}
	return bad
}

func medianOf(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

// TestGrowthIsSeen checks that growth by a third and missing samples are reported, and that
// constant values are not.
func TestGrowthIsSeen(t *testing.T) {
	n := int(growthTime / growthEvery)
	flat, rising := make([]float64, n), make([]float64, n)
	for i := range n {
		flat[i], rising[i] = 60<<20, 60<<20*(1+float64(i)/float64(n)/3)
	}
	for name, c := range map[string]struct {
		growth
		want int
	}{"nothing": {growth{}, 1}, "stays": {growth{flat, flat, flat}, 0}, "grows": {growth{rising, flat, rising}, 2}} {
		if bad := c.faults(t.Logf, growthTime); len(bad) != c.want {
			t.Errorf("%s: faults %v, want %d", name, bad, c.want)
		}
	}
}
