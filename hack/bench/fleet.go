package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"text/tabwriter"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

const (
	// availability is how much of the time an instance is up, independently of the others.
	availability = 0.999
	// fleetRequests is the number of new keys that are sent while instances fail at random. About
	// 0.1 % are refused with key homes, so the share is known to 0.02 %.
	fleetRequests = 20_000
	// fleetUpdate is the number of new keys that are sent while one instance is updated.
	fleetUpdate = 50
	// fleetLookUps is the number of references that are looked up.
	fleetLookUps = 1000
)

// fleetResult compares asking all instances (before) with key homes (after), in a fleet of n
// instances. Refused keys are in percent, and questions those of one look-up by reference.
type fleetResult struct {
	n                           int
	crashesBefore, crashesAfter float64
	updateBefore, updateAfter   float64
	askedBefore, askedAfter     float64
}

// fleet simulates fleets of instances in this process, and prints how many requests with a new
// Idempotency-Key are refused. The times at which instances are down are random with a fixed seed,
// so that each run prints the same.
func (b *bench) fleet(ctx context.Context) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "instances\trefused, crashes: before\tafter\trefused, rolling update: before\tafter\t"+
		"questions per look-up: before\tafter")
	var results []fleetResult
	for _, n := range []int{3, 12, 48} {
		r, err := simulateFleet(ctx, n)
		if err != nil {
			return err
		}
		results = append(results, r)
		fmt.Fprintf(w, "%d\t%.2f %%\t%.2f %%\t%.0f %%\t%.0f %%\t%.0f\t%.2f\n", n, r.crashesBefore, r.crashesAfter,
			r.updateBefore, r.updateAfter, r.askedBefore, r.askedAfter)
	}
	w.Flush()
	fmt.Printf(`
"before" asks all instances, and "after" uses key homes. A refused request has a new Idempotency-Key. Each instance is
down %.1f %% of the time. In the rolling update one instance after the other hands its claims over and is down for a
while. The simulation uses pkg/keyhome without network and disk.
`, 100*(1-availability))
	for _, r := range results {
		what := fmt.Sprintf("%d instances: ", r.n)
		b.goals.atMost(what+"refused after crashes", r.crashesAfter, 2*100*(1-availability), " %")
		b.goals.atLeast(what+"accepted during the rolling update", 100-r.updateAfter, 100, " %")
		b.goals.atMost(what+"questions per look-up", r.askedAfter, 1, "")
	}
	return nil
}

func simulateFleet(ctx context.Context, n int) (r fleetResult, err error) {
	f, err := keyhometest.NewFleet(ctx, n, nil)
	if err != nil {
		return r, err
	}
	s := &simulation{Fleet: f, rnd: rand.New(rand.NewPCG(1, uint64(n)))}
	r.n = n
	if err := s.crashes(ctx, &r); err != nil {
		return r, err
	}
	if err := s.rollingUpdate(ctx, &r); err != nil {
		return r, err
	}
	return r, s.lookUps(ctx, &r)
}

// simulation sends requests to random instances of a fleet.
type simulation struct {
	*keyhometest.Fleet
	rnd  *rand.Rand
	keys int
}

// request sends a new key to an instance that is up, and reports whether it is refused.
func (s *simulation) request(ctx context.Context, at int) (refused bool, err error) {
	s.keys++
	hold, err := s.Homes[at].Acquire(ctx, keyhome.KeyOf("client", fmt.Sprint(s.keys)), keyhome.Fingerprint{})
	if err != nil {
		return false, err
	}
	hold.Done(ctx, hold.Outcome == keyhome.Create)
	return hold.Outcome == keyhome.Refuse, nil
}

// crashes measures the share of refused keys while instances are down without warning.
func (s *simulation) crashes(ctx context.Context, r *fleetResult) error {
	before, after := 0, 0
	for range fleetRequests {
		at, missing := s.rnd.IntN(r.n), false
		for o := range s.Down {
			s.Down[o] = o != at && s.rnd.Float64() > availability
			missing = missing || s.Down[o]
		}
		if !missing {
			continue // all instances answer, so nothing is refused
		}
		before++
		refused, err := s.request(ctx, at)
		if err != nil {
			return err
		}
		if refused {
			after++
		}
	}
	clear(s.Down)
	r.crashesBefore, r.crashesAfter = percent(before, fleetRequests), percent(after, fleetRequests)
	return nil
}

// rollingUpdate measures the share of refused keys while each instance in turn is stopped as
// planned and started again.
func (s *simulation) rollingUpdate(ctx context.Context, r *fleetResult) error {
	after := 0
	for o := r.n - 1; o >= 0; o-- {
		if err := s.Stop(ctx, o); err != nil {
			return err
		}
		for range fleetUpdate {
			at := (o + 1 + s.rnd.IntN(r.n-1)) % r.n // any instance but o
			refused, err := s.request(ctx, at)
			if err != nil {
				return err
			}
			if refused {
				after++
			}
		}
		if err := s.Start(ctx, o); err != nil {
			return err
		}
	}
	// Asking all instances refuses every new key, because one instance is always missing.
	r.updateBefore, r.updateAfter = 100, percent(after, r.n*fleetUpdate)
	return nil
}

// lookUps measures how many questions a look-up by reference asks.
func (s *simulation) lookUps(ctx context.Context, r *fleetResult) error {
	reference := func(i int) keyhome.Key { return keyhome.ReferenceKey("client", fmt.Sprint(i)) }
	for i := range fleetLookUps {
		s.Homes[s.rnd.IntN(r.n)].Hint(ctx, reference(i))
	}
	clear(s.Sent)
	for i := range fleetLookUps {
		if _, ok := s.Homes[s.rnd.IntN(r.n)].FindHint(ctx, reference(i)); !ok {
			return fmt.Errorf("the hint of reference %d was not found", i)
		}
	}
	r.askedBefore = float64(r.n - 1)
	r.askedAfter = float64(s.Sent[keyhome.KindFindHint]) / fleetLookUps
	return nil
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(all) }
