package kube

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
)

const (
	// eventRate is the number of events a second that are handed to the recorder. The recorder starts
	// a goroutine with a call of the API server for each of them: a thousand at once cost 50 MB.
	eventRate = 50
	// eventBurst is the number of events that are handed over without a pause.
	eventBurst = 50
	// maxPendingEvents bounds the memory of the queue. There is at most about one event for each
	// Secret, and the rendered Secret has room for fewer client services than this.
	maxPendingEvents = 10_000
)

// EventQueue is an event recorder that hands its events to another recorder at a bounded rate, in
// their order. Add it to the manager, which runs Start. Events that are pending when Start ends are
// lost, and events beyond 10,000 pending ones are dropped: events are hints and may be missing.
// Safe for concurrent use.
type EventQueue struct {
	recorder events.EventRecorder
	wake     chan struct{}

	mu      sync.Mutex
	pending []func()
}

// NewEventQueue returns a queue in front of a recorder.
func NewEventQueue(recorder events.EventRecorder) *EventQueue {
	return &EventQueue{recorder: recorder, wake: make(chan struct{}, 1)}
}

// Eventf queues an event. It never blocks.
func (q *EventQueue) Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any) {
	q.mu.Lock()
	if len(q.pending) < maxPendingEvents {
		q.pending = append(q.pending, func() {
			q.recorder.Eventf(regarding, related, eventType, reason, action, note, args...)
		})
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Start hands events over until ctx ends.
func (q *EventQueue) Start(ctx context.Context) error {
	limiter := flowcontrol.NewTokenBucketRateLimiter(eventRate, eventBurst)
	defer limiter.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		}
		for record := q.next(); record != nil; record = q.next() {
			if limiter.Wait(ctx) != nil {
				return nil
			}
			record()
		}
	}
}

// next takes the oldest event from the queue. It returns nil if there is none.
func (q *EventQueue) next() func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 {
		q.pending = nil // frees the array of a long queue
		return nil
	}
	record := q.pending[0]
	q.pending[0], q.pending = nil, q.pending[1:]
	return record
}
