package keyhome_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// availability is how much of the time an instance is up, independent of the others.
const availability = 0.999

// simulated is a fleet whose messages arrive at once. Instances are up or down.
type simulated struct {
	homes     []*keyhome.Home
	down      []bool
	questions int
	watch     func(keyhome.Message) // called before each message, if not nil
}

// simulatedTransport is the keyhome.Transport of one instance.
type simulatedTransport struct{ *simulated }

// Send implements keyhome.Transport.
func (s simulatedTransport) Send(ctx context.Context, to int, m keyhome.Message) (keyhome.Reply, error) {
	if s.watch != nil {
		s.watch(m)
	}
	if m.Kind == keyhome.KindFindHint {
		s.questions++
	}
	if s.down[to] {
		return keyhome.Reply{}, keyhome.ErrNoAnswer
	}
	return s.homes[to].Handle(ctx, m)
}

// stillClock is a clock that does not wait.
type stillClock struct{}

func (stillClock) Now() time.Time                                   { return start }
func (stillClock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

type noHoldings struct{}

func (noHoldings) Holds(context.Context, keyhome.Key) (bool, error) { return false, nil }

func newSimulated(t *testing.T, n int, omit keyhome.Rules) *simulated {
	s := &simulated{homes: make([]*keyhome.Home, n), down: make([]bool, n)}
	view := keyhome.View{Known: true, Expected: n}
	for o := range n {
		s.homes[o] = keyhome.NewWithout(keyhome.Config{
			Ordinal: o, Table: keyhometest.NewMemory(fmt.Sprint(o)), Transport: simulatedTransport{s}, Holdings: noHoldings{},
			View: func() keyhome.View { return view }, Clock: stillClock{}, MaxHints: 10_000,
		}, omit)
		if err := s.homes[o].Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, h := range s.homes {
			if err := h.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s
}

// TestFleet sends new keys to random instances while others are down now and then, and counts how
// many are refused: by asking all instances, and with key homes. It counts the questions of a
// look-up by reference too. The limits are far from what is expected, so that chance does not fail
// the test.
func TestFleet(t *testing.T) {
	const requests = 20_000
	for _, n := range []int{3, 12, 48} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s, rnd := newSimulated(t, n, 0), rand.New(rand.NewPCG(1, uint64(n)))
			askingAll, withHomes := 0, 0
			for i := range requests {
				missing := false
				at := rnd.IntN(n)
				for o := range n {
					s.down[o] = o != at && rnd.Float64() > availability
					missing = missing || s.down[o]
				}
				if missing {
					askingAll++
				}
				if !missing && i%100 > 0 {
					continue // no instance is down, so nothing can be refused
				}
				hold, err := s.homes[at].Acquire(t.Context(), keyhome.KeyOf("c", fmt.Sprint(i)), keyhome.Fingerprint{})
				if err != nil {
					t.Fatal(err)
				}
				if hold.Outcome == keyhome.Refuse {
					withHomes++
				}
				hold.Done(t.Context(), true)
			}
			before, after := share(askingAll, requests), share(withHomes, requests)
			questions := s.lookUps(t, n, rnd)
			t.Logf(
				"%d instances: refused new keys %.3f %% before, %.3f %% after; questions for each look-up %d before, %.2f after",
				n,
				before,
				after,
				n-1,
				questions,
			)
			if after > 0.3 || n > 3 && after > before/2 || questions > 1.5 {
				t.Errorf("refused %.3f %%, %.2f questions, want about 0.1 %% and 1", after, questions)
			}
		})
	}
}

func share(part, all int) float64 { return 100 * float64(part) / float64(all) }

// lookUps returns how many questions a look-up by reference asks.
func (s *simulated) lookUps(t *testing.T, n int, rnd *rand.Rand) float64 {
	const references = 1000
	clear(s.down)
	for i := range references {
		s.homes[rnd.IntN(n)].Hint(t.Context(), keyhome.ReferenceKey("c", fmt.Sprint(i)))
	}
	s.questions = 0
	for i := range references {
		if _, ok := s.homes[rnd.IntN(n)].FindHint(t.Context(), keyhome.ReferenceKey("c", fmt.Sprint(i))); !ok {
			t.Fatalf("reference %d is not found", i)
		}
	}
	return float64(s.questions) / references
}
