package main

import (
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// drain is the state of a stop, for those who ask about it. The zero value is that of an instance
// that runs. Safe for concurrent use.
type drain struct {
	phase     atomic.Int32 // a stopPhase
	until     atomic.Int64 // Unix nanoseconds: when an instance that leaves for good ends at the latest; 0 = not known
	remaining atomic.Pointer[store.Remaining]
	// handedOver says that other instances decide about the Idempotency-Keys of this one, or that none
	// depends on it.
	handedOver atomic.Bool
}

// stopPhase is a part of a stop.
type stopPhase int32

const (
	running   stopPhase = iota
	stopping            // the delay: it works as before, and is not ready
	finishing           // it refuses new operations, and works on accepted ones
	lingering           // it leaves for good and answers reads
	ending              // it sends the last answers
)

func (s stopPhase) String() string {
	return [...]string{"running", "stopping", "finishing", "lingering", "ending"}[s]
}

func (d *drain) enter(p stopPhase) { d.phase.Store(int32(p)) }

func (d *drain) current() stopPhase { return stopPhase(d.phase.Load()) }

// start begins the linger time. Only the first call counts.
func (d *drain) start(linger time.Duration) {
	d.until.CompareAndSwap(0, time.Now().Add(linger).UnixNano())
}

// left returns how long the instance stays at most. known is false unless it leaves for good.
func (d *drain) left(now time.Time) (left time.Duration, known bool) {
	until := d.until.Load()
	if until == 0 {
		return 0, false
	}
	return max(0, time.Unix(0, until).Sub(now)), true
}

// pendingTime returns the part of the linger time in which accepted operations may end. In the rest
// their clients can fetch the results, or read why they failed.
func pendingTime(linger time.Duration) time.Duration { return linger * 4 / 5 }
