package affinity

import (
	"sync"
	"time"
)

// breakerPause is how long no message is sent to an instance after it has let one time out. So a
// client waits for an instance that hangs once a second at most.
const breakerPause = time.Second

// breaker is a circuit breaker for each of the other instances. It opens when a message times out.
// While it is open, messages fail at once, except for one probe after each breakerPause. Failures
// that cost no time, such as a refused connection, do not open it. The zero value is closed. Safe
// for concurrent use.
type breaker struct {
	mu   sync.Mutex
	open map[int]*outage // by ordinal
}

// outage is the time of one open breaker.
type outage struct {
	last    time.Time // when a message timed out last
	probing bool      // a probe is on its way
}

// enter reports whether a message may be sent. If it may, leave must be called.
func (b *breaker) enter(ordinal int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.open[ordinal]
	if o == nil {
		return true
	}
	if o.probing || time.Since(o.last) < breakerPause {
		return false
	}
	o.probing = true
	return true
}

// delivery says how the sending of a message ended.
type delivery int

const (
	abandoned delivery = iota // the caller did not wait
	timedOut
	ended // with an answer, or with an error at once
)

// leave records how the sending of a message ended.
func (b *breaker) leave(ordinal int, how delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch o := b.open[ordinal]; {
	case how == ended:
		delete(b.open, ordinal)
	case how == timedOut:
		if b.open == nil {
			b.open = make(map[int]*outage)
		}
		b.open[ordinal] = &outage{last: time.Now()}
	case o != nil:
		o.probing = false
	}
}
