package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// knowing returns a departure of instance 2 whose own peers file names three instances for ever, as
// that of a pod that is stopped. The other instances answer what others returns.
func knowing(others func() []affinity.Directory) *departure {
	own := func() (affinity.Directory, bool) { return affinity.Directory{Expected: 3, RemovalsBase: 1}, true }
	d := newDeparture(2, own, logr.Discard())
	d.ask = func(context.Context) []affinity.Directory { return others() }
	return d
}

var (
	three = affinity.Directory{Expected: 3, RemovalsBase: 1}
	two   = affinity.Directory{Expected: 2, RemovalsBase: 1, Removals: map[int]uint64{2: 1}}
	again = affinity.Directory{Expected: 3, RemovalsBase: 1, Removals: map[int]uint64{2: 1}}
)

// TestDepartureIsLearnedLate: await waits for another instance that learns of the removal some
// seconds after the signal, and not longer. It ends after its limit if none tells it.
func TestDepartureIsLearnedLate(t *testing.T) {
	for name, test := range map[string]struct {
		then affinity.Directory
		took time.Duration
		want bool
	}{"removed": {two, 7 * time.Second, true}, "restarted": {three, 10 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				d := knowing(func() []affinity.Directory {
					if time.Since(began) < 7*time.Second { // of the bubble
						return []affinity.Directory{three}
					}
					return []affinity.Directory{three, test.then}
				})
				d.look(ctx)
				go func() { _ = d.watch(ctx) }()
				if err := d.await(10*time.Second, nil); err != nil {
					t.Fatal(err)
				}
				if got, took := closed(d.forGood), time.Since(began); got != test.want || took != test.took {
					t.Errorf("for good = %v after %v, want %v after %v", got, took, test.want, test.took)
				}
			})
		})
	}
}

// TestSilenceIsNoReturn: an instance that leaves for good goes on to leave while the others are
// silent, or answer by old files. Only a newer directory says that it is wanted again.
func TestSilenceIsNoReturn(t *testing.T) {
	var known []affinity.Directory
	d := knowing(func() []affinity.Directory { return known })
	for _, step := range []struct {
		name              string
		known             []affinity.Directory
		forGood, returned bool
	}{
		{"nobody answers", nil, false, false},
		{"it was removed", []affinity.Directory{two}, true, false},
		{"an old answer", []affinity.Directory{three}, true, false},
		{"nobody answers any more", nil, true, false},
		{"it is wanted again", []affinity.Directory{again}, true, true},
	} {
		known = step.known
		d.look(t.Context())
		if closed(d.forGood) != step.forGood || closed(d.returned) != step.returned {
			t.Errorf("%s: for good %v, returned %v, want %v, %v", step.name, closed(d.forGood), closed(d.returned),
				step.forGood, step.returned)
		}
	}
}

// TestOrderIsFinal: an instance that was ordered to leave does not return because the directory
// names it.
func TestOrderIsFinal(t *testing.T) {
	d := knowing(func() []affinity.Directory { return []affinity.Directory{again} })
	d.order()
	d.look(t.Context())
	if !closed(d.forGood) || closed(d.returned) {
		t.Errorf("for good %v, returned %v, want true and false", closed(d.forGood), closed(d.returned))
	}
}
