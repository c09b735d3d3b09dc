package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

const (
	// countEvery is the time between two counts of what clients still expect.
	countEvery = time.Second
	// countShare is how many times longer than a count the pause after it is, so that counting in a
	// large store takes a small share of the time.
	countShare = 10
	// movedTime is the Retry-After of new requests at an instance that leaves for good. The next
	// request usually reaches another instance, because the connection is closed.
	movedTime = time.Second
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

// leaves reports whether this instance leaves for good and lingers.
func (p *proxy) leaves() bool { return p.cfg.DrainLinger > 0 && closed(p.departure.forGood) }

// refusal returns why no new operation is accepted; nil = it is accepted, unless the service
// refuses it.
func (p *proxy) refusal() error {
	if !p.leaves() || p.drain.current() < finishing {
		return nil
	}
	to := "another instance"
	if name := p.departure.successor(); name != "" {
		to += ", such as " + name
	}
	return signing.Errorf(signing.KindBusy, "this instance leaves for good; send the request to %s", to).
		Retryable(movedTime)
}

// beginStop finds out whether this instance leaves for good. It goes on to look until background is
// done. signal is the context that ended with the signal.
func (p *proxy) beginStop(signal, background context.Context, t *tasks) {
	p.drain.enter(stopping)
	if errors.Is(context.Cause(signal), errLeave) {
		p.log.Info("this instance leaves for good, because a signal says so")
		p.departure.order()
		return
	}
	p.departure.look(background)
	t.start("departure", func() error { return p.departure.watch(background) })
}

// awaitDecision is called when the shutdown delay is over. If clients still expect something from
// this instance, and the other instances have not said that it was removed, it gives them the time
// of the delay once more. A controller or kubelets that are slow would strand what clients expect.
// The instance goes on as in the delay.
func (p *proxy) awaitDecision(ctx context.Context, t *tasks) error {
	if p.cfg.DrainLinger <= 0 || p.departure.ask == nil || closed(p.departure.forGood) || p.nothingLeft(ctx) {
		return nil
	}
	return p.departure.await(p.cfg.ShutdownDelay, t.failed)
}

// endWork ends the work of the service. The running operations may end within the grace period. If
// this instance leaves for good, all operations may end, and those that do not end in time fail.
// again ends that at once. service is closed when the service has ended, and stop tells it to end.
func (p *proxy) endWork(service, again <-chan struct{}, stop func()) {
	p.drain.enter(finishing)
	limit := time.NewTimer(p.cfg.ShutdownGrace)
	defer limit.Stop()
	leave, returned, cut := p.departure.forGood, p.departure.returned, again
	if p.cfg.DrainLinger <= 0 {
		leave = nil
	}
	if leave == nil || !closed(leave) {
		cut = nil
		stop()
	}
	for {
		select {
		case <-service:
			return
		case <-leave:
			leave, cut = nil, again
			limit.Reset(p.finishAll())
			stop()
		case <-returned: // the next start continues
			returned = nil
			p.service.Finish(signingGrace(p.cfg.ShutdownGrace), nil)
			limit.Reset(p.cfg.ShutdownGrace)
		case <-cut:
			p.service.Finish(0, nil)
			return
		case <-limit.C: // a slow provider; the next start fetches its signatures or counts them as unknown
			p.log.Info("the time of the stop ended before all calls to providers were answered")
			return
		}
	}
}

// finishAll makes the service end all operations, and returns how long that may take.
func (p *proxy) finishAll() time.Duration {
	limit := pendingTime(p.cfg.DrainLinger)
	p.drain.start(p.cfg.DrainLinger)
	p.service.Finish(limit, signing.Errorf(signing.KindBusy,
		"the instance that accepted the document was removed before it was signed; send the document again"))
	return limit
}

// linger answers reads until clients have nothing left to fetch from an instance that leaves for
// good, or the time is over, or a successor waits for its end, or again is closed, or a part fails.
// It returns the error of that part.
func (p *proxy) linger(ctx context.Context, t *tasks, again <-chan struct{}) (failure error) {
	p.drain.enter(lingering)
	p.drain.start(p.cfg.DrainLinger)
	left, _ := p.drain.left(time.Now())
	p.log.Info("lingering", "atMost", left.Round(time.Second).String())
	over := time.NewTimer(left)
	defer over.Stop()
	why := ""
	for why == "" {
		began := time.Now()
		if p.nothingLeft(ctx) {
			why = "all results were fetched or have expired"
			break
		}
		select {
		case <-time.After(max(countEvery, countShare*time.Since(began))):
		case <-over.C:
			why = "the time is over"
		case <-p.departure.returned:
			why = "a successor waits for the state folder"
		case <-again:
			why = "there was another signal"
		case failure = <-t.failed:
			why = "a part of the proxy failed"
		}
	}
	kv := []any{"why", why}
	if r := p.drain.remaining.Load(); r != nil {
		kv = append(kv, "resultsNotFetched", r.Results, "callbacksNotMade", r.Callbacks)
	}
	p.log.Info("the linger time ends", kv...)
	return failure
}

// lastAnswers returns how long requests may still take that came before the end of the linger time.
func (p *proxy) lastAnswers(again <-chan struct{}) time.Duration {
	if closed(again) {
		return 0
	}
	return p.cfg.ShutdownGrace
}

// nothingLeft counts what clients still expect, and reports whether that is nothing.
func (p *proxy) nothingLeft(ctx context.Context) bool {
	r, err := p.state.store.Remaining(ctx)
	if err != nil {
		p.log.Error(err, "could not count the results that were not fetched")
		return false
	}
	p.drain.remaining.Store(&r)
	return r == store.Remaining{}
}
