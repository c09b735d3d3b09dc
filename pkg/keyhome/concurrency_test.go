package keyhome_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// slowTable takes a moment for each State that it saves, and counts them.
type slowTable struct {
	keyhome.Table
	saved atomic.Int64
}

func (s *slowTable) Save(ctx context.Context, state *keyhome.State, claims []keyhome.Claim) (int64, error) {
	if state != nil {
		s.saved.Add(1)
		time.Sleep(time.Millisecond)
	}
	return s.Table.Save(ctx, state, claims)
}

// holding says that all operations exist, or none.
type holding struct{ all atomic.Bool }

func (h *holding) Holds(context.Context, keyhome.Key) (bool, error) { return h.all.Load(), nil }

// shiftedClock is ahead of the time.
type shiftedClock struct {
	realClock
	ahead atomic.Int64
}

func (c *shiftedClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// pair is two instances whose messages arrive at once.
type pair struct {
	away     func() // called when a claim of another instance was obeyed, if not nil; the answer is lost
	cut      func() // called in place of sending a copy, if not nil
	homes    direct
	tables   [2]slowTable
	holdings [2]holding
	clock    shiftedClock
}

// Send implements keyhome.Transport.
func (p *pair) Send(ctx context.Context, to int, m keyhome.Message) (keyhome.Reply, error) {
	if m.Kind == keyhome.KindCopy && p.cut != nil {
		p.cut()
		return keyhome.Reply{}, keyhome.ErrNoAnswer
	}
	reply, err := p.homes.Send(ctx, to, m)
	if m.Kind == keyhome.KindClaim && p.away != nil {
		p.away()
		return keyhome.Reply{}, keyhome.ErrNoAnswer
	}
	return reply, err
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{homes: make(direct, 2)}
	for i := range p.homes {
		p.tables[i].Table = keyhometest.NewMemory(fmt.Sprint(i))
		p.homes[i] = keyhome.New(keyhome.Config{
			Ordinal: i, Table: &p.tables[i], Transport: p, Holdings: &p.holdings[i], Lifetime: time.Hour, Clock: &p.clock,
			View: func() keyhome.View { return keyhome.View{Known: true, Expected: 2} },
		})
	}
	return p
}

// start makes both instances members.
func (p *pair) start(t *testing.T) {
	t.Helper()
	for _, h := range p.homes {
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		for _, h := range p.homes {
			_ = h.Tick(t.Context()) // it says what it waits for
		}
	}
	for i, h := range p.homes {
		if !h.Ready() {
			t.Fatalf("instance %d is not a member", i)
		}
	}
}

// TestRefusedRepetitionKeepsClaim refuses a request whose key has an operation by now. Its claim
// stays, because another instance would create a second operation otherwise.
func TestRefusedRepetitionKeepsClaim(t *testing.T) {
	p := newPair(t)
	p.start(t)
	for n := range 20 {
		key := keyhome.KeyOf("client", fmt.Sprint(n))
		p.holdings[0].all.Store(false)
		first, err := p.homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || first.Outcome != keyhome.Create {
			t.Fatalf("first: %+v, %v", first, err)
		}
		first.Done(t.Context(), true)
		p.holdings[0].all.Store(true)
		// This request looked for the operation before it existed, and asks the home only now.
		late, err := p.homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || late.Outcome != keyhome.Create {
			t.Fatalf("late: %+v, %v", late, err)
		}
		late.Done(t.Context(), false)
		other, err := p.homes[1].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || other.Outcome != keyhome.Forward || other.Owner != 0 {
			t.Errorf("other instance: %+v, %v, want it forwarded to 0", other, err)
		}
		other.Done(t.Context(), false)
	}
}

// TestManyClaimsAfterQuiet claims many keys at the same time after a quiet time. One of them moves
// the durable clock for all.
func TestManyClaimsAfterQuiet(t *testing.T) {
	p := newPair(t)
	p.start(t)
	p.clock.ahead.Store(int64(time.Minute))
	before := p.tables[0].saved.Load() + p.tables[1].saved.Load()
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			hold, err := p.homes[0].Acquire(t.Context(), keyhome.KeyOf("client", fmt.Sprint(n)), keyhome.Fingerprint{})
			if err != nil || hold.Outcome != keyhome.Create {
				t.Errorf("key %d: %+v, %v", n, hold, err)
			}
			hold.Done(t.Context(), true)
		})
	}
	all.Wait()
	if n := p.tables[0].saved.Load() + p.tables[1].saved.Load() - before; n > 4 {
		t.Errorf("the state was saved %d times, want about once at each home", n)
	}
}

// TestClientGoesAway claims keys for clients that go away while the home is asked. No claim stays.
func TestClientGoesAway(t *testing.T) {
	p := newPair(t)
	p.start(t)
	for n := range 20 {
		key := keyhome.KeyOf("client", fmt.Sprint(n))
		ctx, cancel := context.WithCancel(t.Context())
		p.away = cancel
		hold, _ := p.homes[0].Acquire(ctx, key, keyhome.Fingerprint{})
		hold.Done(ctx, false)
		for i := range p.tables {
			if _, ok, _ := p.tables[i].Get(t.Context(), key); ok {
				t.Errorf("key %d: instance %d keeps the claim", n, i)
			}
		}
	}
}

// TestCopyAfterClientWentAway copies claims although another client went away while its claim was
// copied.
func TestCopyAfterClientWentAway(t *testing.T) {
	p := newPair(t)
	p.start(t)
	for n := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		p.cut = cancel
		hold, _ := p.homes[0].Acquire(ctx, keyhome.KeyOf("away", fmt.Sprint(n)), keyhome.Fingerprint{})
		hold.Done(ctx, true)
		p.cut = nil
		cancel()
		key := keyhome.KeyOf("client", fmt.Sprint(n))
		hold, err := p.homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Create {
			t.Fatalf("key %d: %+v, %v", n, hold, err)
		}
		hold.Done(t.Context(), true)
		for i := range p.tables {
			if _, ok, _ := p.tables[i].Get(t.Context(), key); !ok {
				t.Errorf("key %d: instance %d has no claim", n, i)
			}
		}
	}
}

// TestConcurrentCalls asks, stops and ticks while the instances start, for the race detector.
func TestConcurrentCalls(t *testing.T) {
	p := newPair(t)
	var all sync.WaitGroup
	ask := func(n int) {
		h := p.homes[n%2]
		h.Ready()
		h.Hint(t.Context(), keyhome.ReferenceKey("client", fmt.Sprint(n)))
		hold, _ := h.Acquire(t.Context(), keyhome.KeyOf("client", fmt.Sprint(n)), keyhome.Fingerprint{})
		hold.Done(t.Context(), n%3 == 0)
	}
	all.Go(func() {
		for n := range 200 {
			ask(n)
		}
	})
	p.start(t)
	for _, h := range p.homes {
		all.Go(func() {
			for range 50 {
				_ = h.Tick(t.Context())
			}
		})
	}
	all.Go(func() { _ = p.homes[1].Leave(t.Context(), false) })
	all.Wait()
}
