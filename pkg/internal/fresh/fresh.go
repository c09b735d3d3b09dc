// Package fresh keeps a value that is asked for elsewhere, and asks anew in time.
package fresh

import (
	"context"
	"sync"
	"time"
)

// Config says where a value comes from and how long it is good.
type Config[T any] struct {
	// Ask gets the value. One call is under way at a time, on the context of whoever found the old
	// value too old.
	Ask func(context.Context) (T, error)
	// For is how long a value is used without asking.
	For time.Duration
	// StillGood says whether old, so many ago, may be used although Ask failed with err, or, where err
	// is nil, while somebody asks. It must not block. Nil = never.
	StillGood func(old T, age time.Duration, err error) bool
	// Pause is the time before Ask is tried again while an old value is used.
	Pause time.Duration
}

// Value is a kept value. It is safe for concurrent use.
type Value[T any] struct {
	cfg  Config[T]
	busy chan struct{} // holds one value while somebody asks

	mu    sync.Mutex
	value T
	asked time.Time // zero = there is no value
	again time.Time // when to ask next
	spare bool      // the value may be used while somebody asks
	fails int       // how often there was no answer
	fault error     // of the last time
	begun int       // how often it was asked
	last  error     // what the last Ask said, whatever the old value was good for
}

// New returns an empty Value; the first Get asks.
func New[T any](cfg Config[T]) *Value[T] {
	return &Value[T]{cfg: cfg, busy: make(chan struct{}, 1)}
}

// Get returns the value. The error is Ask's, or that of ctx when it ended while somebody else
// asked. Who waited for somebody else's question shares its failure: a service that does not answer
// would else keep a crowd waiting one after the other, for its time-out each.
//
// While somebody asks others use the old value, if it is still good and was not forgotten: a
// service that hangs stops one of them, not all.
func (v *Value[T]) Get(ctx context.Context) (T, error) { return v.get(ctx, v.meanwhile) }

// Newest is Get for whom the value may be too old whatever it is for others: it waits for whoever
// asks, and with ask it has the value asked for.
func (v *Value[T]) Newest(ctx context.Context, ask bool) (T, error) {
	if ask {
		v.mu.Lock()
		v.again = time.Time{}
		v.mu.Unlock()
	}
	return v.get(ctx, func() (none T, ok bool) { return none, false })
}

// Renew asks now, or waits for an Ask that begins after the call, and returns the answer. Unlike
// Get it returns the error of Ask where the old value may still be used.
func (v *Value[T]) Renew(ctx context.Context) (none T, err error) {
	v.mu.Lock()
	before := v.begun
	v.mu.Unlock()
	select {
	case v.busy <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-v.busy }()
	v.mu.Lock()
	begun, last, value := v.begun, v.last, v.value
	v.mu.Unlock()
	if begun > before { // somebody else has asked since
		return value, last
	}
	if value, err = v.ask(ctx); err != nil {
		return none, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return value, v.last
}

func (v *Value[T]) get(ctx context.Context, meanwhile func() (T, bool)) (T, error) {
	value, ok, fails := v.kept()
	if ok {
		return value, nil
	}
	var none T
	select {
	case v.busy <- struct{}{}:
	default:
		if value, ok := meanwhile(); ok {
			return value, nil
		}
		select {
		case v.busy <- struct{}{}:
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
	defer func() { <-v.busy }()
	if value, ok, now := v.kept(); ok { // somebody was faster
		return value, nil
	} else if now != fails {
		return none, v.fault // which the holder of busy alone changes
	}
	return v.ask(ctx)
}

// ask is for the holder of busy.
func (v *Value[T]) ask(ctx context.Context) (none T, err error) {
	v.mu.Lock()
	v.begun++
	v.mu.Unlock()
	value, err := v.cfg.Ask(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = err
	now := time.Now()
	switch {
	case err == nil:
		v.value, v.asked, v.again, v.spare = value, now, now.Add(v.cfg.For), true
	case !v.asked.IsZero() && v.cfg.StillGood != nil && v.cfg.StillGood(v.value, now.Sub(v.asked), err):
		v.again, v.spare = now.Add(v.cfg.Pause), true
	default:
		if ctx.Err() == nil { // or it is this caller's own trouble
			v.fails, v.fault, v.spare = v.fails+1, err, false
		}
		return none, err
	}
	return v.value, nil
}

// kept returns the value if it is good, and how often there has been none.
func (v *Value[T]) kept() (value T, ok bool, fails int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, !v.asked.IsZero() && time.Now().Before(v.again), v.fails
}

// meanwhile returns the old value if it may be used while somebody asks.
func (v *Value[T]) meanwhile() (value T, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value, v.spare && v.cfg.StillGood != nil && v.cfg.StillGood(v.value, time.Since(v.asked), nil)
}

// Forget lets the next Get ask, and others wait for it; the old value remains for the case that
// this fails.
func (v *Value[T]) Forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.again, v.spare = time.Time{}, false
}
