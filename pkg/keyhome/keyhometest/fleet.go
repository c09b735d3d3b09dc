package keyhometest

import (
	"context"
	"fmt"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
)

// Fleet is a set of instances whose messages arrive at once. Instances are up or down. Nothing
// happens unless the caller asks for it. It is not safe for concurrent use.
type Fleet struct {
	Homes  []*keyhome.Home
	Tables []*Memory
	Down   []bool
	Legacy []bool                // instances of a release without key homes
	Sent   map[keyhome.Kind]int  // messages to other instances, also to those that are down
	Watch  func(keyhome.Message) // called before each message, if not nil
	Now    time.Time             // the time at all instances

	open    func(ordinal int) // makes an instance with a new table
	folders int               // number of tables that were made
}

// maxRounds bounds the rounds in which instances that start become ready. Two are enough if all
// others are up.
const maxRounds = 5

// NewFleet returns n instances that are members. create makes one instance; nil = keyhome.New.
func NewFleet(ctx context.Context, n int, create func(keyhome.Config) *keyhome.Home) (*Fleet, error) {
	if create == nil {
		create = keyhome.New
	}
	f := &Fleet{
		Homes: make([]*keyhome.Home, n), Tables: make([]*Memory, n), Down: make([]bool, n), Legacy: make([]bool, n),
		Sent: make(map[keyhome.Kind]int), Now: time.Unix(1_900_000_000, 0),
	}
	view := keyhome.View{Known: true, Expected: n}
	f.open = func(o int) {
		f.folders++
		f.Tables[o] = NewMemory(fmt.Sprint("folder ", f.folders))
		f.Homes[o] = create(keyhome.Config{
			Ordinal: o, Table: f.Tables[o], Transport: fleetTransport{f}, Holdings: noHoldings{},
			View: func() keyhome.View { return view }, Clock: fleetClock{f},
		})
	}
	for o := range n {
		f.open(o)
	}
	return f, f.Start(ctx)
}

// Lose gives an instance a new Home with an empty table. The Home is not started.
func (f *Fleet) Lose(ordinal int) { f.open(ordinal) }

// Stop stops instances in order, one after the other. Each hands its claims over before it is down.
func (f *Fleet) Stop(ctx context.Context, ordinals ...int) error {
	for _, o := range ordinals {
		if err := f.Homes[o].Leave(ctx, false); err != nil {
			return fmt.Errorf("stop instance %d: %w", o, err)
		}
		f.Down[o] = true
	}
	return nil
}

// Start starts instances with the tables that they had, and waits until all instances are ready.
// Without ordinals it starts all.
func (f *Fleet) Start(ctx context.Context, ordinals ...int) error {
	if len(ordinals) == 0 {
		for o := range f.Homes {
			ordinals = append(ordinals, o)
		}
	}
	for _, o := range ordinals {
		f.Down[o] = false
		if err := f.Homes[o].Start(ctx); err != nil {
			return fmt.Errorf("start instance %d: %w", o, err)
		}
	}
	var waiting error
	for range maxRounds {
		waiting = nil
		for o, h := range f.Homes {
			if err := h.Tick(ctx); err != nil {
				waiting = fmt.Errorf("instance %d: %w", o, err)
			} else if !h.Ready() {
				waiting = fmt.Errorf("instance %d is not ready", o)
			}
		}
		if waiting == nil {
			return nil
		}
	}
	return waiting
}

// fleetTransport is the keyhome.Transport of a Fleet.
type fleetTransport struct{ *Fleet }

// Send implements keyhome.Transport.
func (f fleetTransport) Send(ctx context.Context, to int, m keyhome.Message) (keyhome.Reply, error) {
	if f.Watch != nil {
		f.Watch(m)
	}
	f.Sent[m.Kind]++
	switch {
	case f.Down[to]:
		return keyhome.Reply{}, keyhome.ErrNoAnswer
	case f.Legacy[to]:
		return keyhome.Reply{}, keyhome.ErrLegacy
	}
	return f.Homes[to].Handle(ctx, m)
}

// fleetClock is the keyhome.Clock of a Fleet. It does not wait.
type fleetClock struct{ *Fleet }

// Now implements keyhome.Clock.
func (c fleetClock) Now() time.Time { return c.Fleet.Now }

// Sleep implements keyhome.Clock.
func (fleetClock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// noHoldings says that no operation exists.
type noHoldings struct{}

// Holds implements keyhome.Holdings.
func (noHoldings) Holds(context.Context, keyhome.Key) (bool, error) { return false, nil }
