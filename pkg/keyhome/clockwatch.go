package keyhome

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// latestClock bounds versions, attempts, epochs and clocks in messages, so that counting on from
// one never overflows. It is in the year 2116.
const latestClock = uint64(1) << 62

// errLatestClock is the error of a message with a number that no clock shows before the year 2116.
var errLatestClock = errors.New("the message has a version, attempt, epoch or clock after the year 2116")

// clockWarningPause is the time between two warnings about the clock of one peer.
const clockWarningPause = 10 * time.Minute

// clockWatch warns about peers whose clock is too far ahead. Their messages are obeyed, but the
// clock of this instance does not follow them; see maxAhead. It is safe for concurrent use.
type clockWatch struct {
	now func() time.Time
	log logr.Logger

	mu     sync.Mutex
	warned map[int]time.Time // by ordinal
}

// note looks at a clock of a peer.
func (w *clockWatch) note(peer int, clock uint64) {
	now := w.now()
	if clock <= nanos(now)+maxAhead {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, ok := w.warned[peer]; ok && now.Sub(last) < clockWarningPause {
		return
	}
	w.warned[peer] = now
	ahead := time.Duration(clock - nanos(now)).Round(time.Second)
	w.log.Info("WARNING: the clock of another instance is ahead of the clock of this instance; "+
		"if clocks differ by more than 10 seconds, a key may be signed twice after an instance was removed",
		"instance", peer, "ahead", ahead.String())
}

// received checks a message of a peer.
func (w *clockWatch) received(m *Message) error {
	numbers := []uint64{m.Epoch, m.Clock, m.Claim.Attempt, m.Claim.Version}
	for _, epoch := range m.Held {
		numbers = append(numbers, epoch)
	}
	if slices.Max(numbers) > latestClock || tooLate(m.Claims) {
		return errLatestClock
	}
	w.note(m.From, m.Clock)
	if m.Kind == KindClaim {
		w.note(m.From, m.Claim.Attempt)
	}
	return nil
}

// answered checks a reply of a peer.
func (w *clockWatch) answered(peer int, r *Reply) error {
	numbers := []uint64{r.Epoch, r.Clock}
	for _, m := range r.Members {
		numbers = append(numbers, m.Epoch)
	}
	if slices.Max(numbers) > latestClock || tooLate(r.Claims) {
		return errLatestClock
	}
	if r.Answer != Stale { // Clock is a number of this instance then
		w.note(peer, r.Clock)
	}
	return nil
}

// tooLate reports whether a claim has a number after the year 2116.
func tooLate(claims []Claim) bool {
	return slices.ContainsFunc(claims, func(c Claim) bool { return max(c.Attempt, c.Version) > latestClock })
}

// watchedTransport is a Transport that checks the clocks in replies.
type watchedTransport struct {
	Transport
	watch *clockWatch
}

// Send implements Transport.
func (t watchedTransport) Send(ctx context.Context, to int, m Message) (Reply, error) {
	reply, err := t.Transport.Send(ctx, to, m)
	if err == nil {
		err = t.watch.answered(to, &reply)
	}
	if err != nil {
		return Reply{}, err
	}
	return reply, nil
}
