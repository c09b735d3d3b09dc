package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
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

// stop ends the work of this instance in order. It knows whether the instance leaves for good, and
// then answers reads for some time. serve calls its steps one after the other. leaves and refusal
// are safe for concurrent use.
type stop struct {
	delay, grace, lingerTime time.Duration // by the settings

	drain     *drain
	departure *departure
	service   *signing.Service
	store     *store.Store
	log       logr.Logger
}

// newStop returns the stop of an instance that runs. own is the directory by the own peers
// file. The service and the store are set when they are open, before the first step.
func newStop(cfg config.Config, own func() (affinity.Directory, bool), log logr.Logger) *stop {
	return &stop{
		delay: cfg.ShutdownDelay, grace: cfg.ShutdownGrace, lingerTime: cfg.DrainLinger, drain: new(drain),
		departure: newDeparture(cfg.InstanceOrdinal, own, log), log: log,
	}
}

// leaves reports whether this instance leaves for good and lingers.
func (s *stop) leaves() bool { return s.lingerTime > 0 && closed(s.departure.forGood) }

// refusal returns why no new operation is accepted; nil = it is accepted, unless the service
// refuses it.
func (s *stop) refusal() error {
	if !s.leaves() || s.drain.current() < finishing {
		return nil
	}
	to := "another instance"
	if name := s.departure.successor(); name != "" {
		to += ", such as " + name
	}
	return signing.Errorf(signing.KindBusy, "this instance leaves for good; send the request to %s", to).
		Retryable(movedTime)
}

// begin finds out whether this instance leaves for good. It goes on to look until background is
// done. signal is the context that ended with the signal.
func (s *stop) begin(signal, background context.Context, t *tasks) {
	s.drain.enter(stopping)
	if errors.Is(context.Cause(signal), errLeave) {
		s.log.Info("this instance leaves for good, because a signal says so")
		s.departure.order()
		return
	}
	s.departure.look(background)
	t.start("departure", func() error { return s.departure.watch(background) })
}

// awaitDecision is called when the shutdown delay is over. If clients still expect something from
// this instance, and the other instances have not said that it was removed, it gives them the time
// of the delay once more. A controller or kubelets that are slow would strand what clients expect.
// The instance goes on as in the delay.
func (s *stop) awaitDecision(ctx context.Context, t *tasks) error {
	if s.lingerTime <= 0 || s.departure.ask == nil || closed(s.departure.forGood) || s.nothingLeft(ctx) {
		return nil
	}
	return s.departure.await(s.delay, t.failed)
}

// endWork ends the work of the service. The running operations may end within the grace period. If
// this instance leaves for good, all operations may end, and those that do not end in time fail.
// again ends that at once. service is closed when the service has ended, and end tells it to end.
func (s *stop) endWork(service, again <-chan struct{}, end func()) {
	s.drain.enter(finishing)
	limit := time.NewTimer(s.grace)
	defer limit.Stop()
	leave, returned, cut := s.departure.forGood, s.departure.returned, again
	if s.lingerTime <= 0 {
		leave = nil
	}
	if leave == nil || !closed(leave) {
		cut = nil
		end()
	}
	for {
		select {
		case <-service:
			return
		case <-leave:
			leave, cut = nil, again
			limit.Reset(s.finishAll())
			end()
		case <-returned: // the next start continues
			returned = nil
			s.service.Finish(signingGrace(s.grace), nil)
			limit.Reset(s.grace)
		case <-cut:
			s.service.Finish(0, nil)
			return
		case <-limit.C: // a slow provider; the next start fetches its signatures or counts them as unknown
			s.log.Info("the time of the stop ended before all calls to providers were answered")
			return
		}
	}
}

// finishAll makes the service end all operations, and returns how long that may take.
func (s *stop) finishAll() time.Duration {
	limit := pendingTime(s.lingerTime)
	s.drain.start(s.lingerTime)
	s.service.Finish(limit, signing.Errorf(signing.KindBusy,
		"the instance that accepted the document was removed before it was signed; send the document again"))
	return limit
}

// linger answers reads until clients have nothing left to fetch from an instance that leaves for
// good, or the time is over, or a successor waits for its end, or again is closed, or a part fails.
// It returns the error of that part.
func (s *stop) linger(ctx context.Context, t *tasks, again <-chan struct{}) (failure error) {
	s.drain.enter(lingering)
	s.drain.start(s.lingerTime)
	left, _ := s.drain.left(time.Now())
	s.log.Info("lingering", "atMost", left.Round(time.Second).String())
	over := time.NewTimer(left)
	defer over.Stop()
	why := ""
	for why == "" {
		began := time.Now()
		if s.nothingLeft(ctx) {
			why = "all results were fetched or have expired"
			break
		}
		select {
		case <-time.After(max(countEvery, countShare*time.Since(began))):
		case <-over.C:
			why = "the time is over"
		case <-s.departure.returned:
			why = "a successor waits for the state folder"
		case <-again:
			why = "there was another signal"
		case failure = <-t.failed:
			why = "a part of the proxy failed"
		}
	}
	kv := []any{"why", why}
	if r := s.drain.remaining.Load(); r != nil {
		kv = append(kv, "resultsNotFetched", r.Results, "callbacksNotMade", r.Callbacks)
	}
	s.log.Info("the linger time ends", kv...)
	return failure
}

// lastAnswers returns how long requests may still take that came before the end of the linger time.
func (s *stop) lastAnswers(again <-chan struct{}) time.Duration {
	if closed(again) {
		return 0
	}
	return s.grace
}

// nothingLeft counts what clients still expect, and reports whether that is nothing.
func (s *stop) nothingLeft(ctx context.Context) bool {
	r, err := s.store.Remaining(ctx)
	if err != nil {
		s.log.Error(err, "could not count the results that were not fetched")
		return false
	}
	s.drain.remaining.Store(&r)
	return r == store.Remaining{}
}
