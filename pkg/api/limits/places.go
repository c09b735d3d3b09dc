package limits

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// minBytesPerSecond is what a client must average beyond the idle timeout while it sends a body or
	// reads an answer: one that trickles would keep its place for ever. The slowest line that anybody
	// sends documents over is ten times as fast.
	minBytesPerSecond = 1 << 10
	// maxRateFactor is by how much that rate is higher when no place is free: 32 KiB a second, which
	// every line within a company carries. Clients that keep all 256 places for uploads must then send
	// 8 MiB a second.
	maxRateFactor = 32
)

// places bound what is done at a time: bodies that are read, or answers that are sent. Each client
// service may have some of the places. An eighth of them is kept for client services that have
// none, so that a few cannot shut the others out. The rate that a client must keep up rises while
// places run out. Safe for concurrent use.
type Places struct {
	what, done string // what has places and what is done with it, for errors: "requests", "being read"
	all, each  int

	mu       sync.Mutex
	taken    int
	byClient map[string]int // without those that have none
	queue    []*placeWaiter
}

// placeWaiter waits for a place.
type placeWaiter struct {
	client string
	got    chan struct{} // closed when it has one
}

func NewPlaces(what, done string, all, each int) *Places {
	return &Places{what: what, done: done, all: all, each: each, byClient: make(map[string]int)}
}

// take takes a place for a client service until done is called. KindTooMany, with the time to come
// again, if there is none.
func (p *Places) Take(client string) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(client); err != nil {
		return nil, err
	}
	p.grant(client)
	return func() { p.give(client) }, nil
}

// wait is take, but waits for a place for so long, or until ctx is done.
func (p *Places) Wait(ctx context.Context, client string, longest time.Duration) (done func(), err error) {
	p.mu.Lock()
	refusal := p.refusal(client)
	if refusal == nil {
		p.grant(client)
		p.mu.Unlock()
		return func() { p.give(client) }, nil
	}
	w := &placeWaiter{client: client, got: make(chan struct{})}
	p.queue = append(p.queue, w)
	p.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	select {
	case <-w.got:
		return func() { p.give(client) }, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, w); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		return nil, refusal
	}
	return func() { p.give(client) }, nil // it came at the last moment
}

// refusal says why a client service gets no further place; nil if it gets one. mu must be held.
func (p *Places) refusal(client string) error {
	switch {
	case p.fits(client):
		return nil
	case p.byClient[client] >= p.each:
		return signing.Errorf(
			signing.KindTooMany,
			"%d %s of this client service are %s",
			p.each,
			p.what,
			p.done,
		).Retryable(
			RetryAfter,
		)
	}
	return signing.Errorf(signing.KindTooMany, "%d %s are %s", p.taken, p.what, p.done).Retryable(RetryAfter)
}

// fits reports whether a client service gets a further place. mu must be held.
func (p *Places) fits(client string) bool {
	mine, room := p.byClient[client], p.all
	if mine > 0 {
		room -= p.all / 8
	}
	return mine < p.each && p.taken < room
}

// grant gives a place to a client service. mu must be held.
func (p *Places) grant(client string) {
	p.taken++
	p.byClient[client]++
}

// give takes a place back and gives it to the first who waits and may have it.
func (p *Places) give(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.byClient[client]--; p.byClient[client] == 0 {
		delete(p.byClient, client)
	}
	for i, w := range p.queue {
		if p.fits(w.client) {
			p.grant(w.client)
			p.queue = slices.Delete(p.queue, i, i+1)
			close(w.got)
			return
		}
	}
}

// leastRate is how many bytes a second a client service must average now. It is minBytesPerSecond
// while half of the places are free, and rises to maxRateFactor of it when none is. The only place
// of a client service is not at stake: a slow line is no attack.
func (p *Places) LeastRate(client string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	half := max(p.all/2, 1)
	free := p.all - p.taken
	if free >= half || p.byClient[client] <= 1 {
		return minBytesPerSecond
	}
	return minBytesPerSecond + minBytesPerSecond*(maxRateFactor-1)*int64(half-free)/int64(half)
}
