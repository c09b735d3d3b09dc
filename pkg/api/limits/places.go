package limits

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// minBytesPerSecond is the rate that a client must average, beyond the idle timeout, while it
	// sends a body or reads an answer. Otherwise a client that trickles would keep its place for ever.
	// The slowest line over which anybody sends documents is ten times as fast.
	minBytesPerSecond = 1 << 10
	// maxRateFactor multiplies that rate when no place is free. The result is 32 KiB a second, which
	// every line within a company carries. Clients that occupy all 256 places for uploads must then
	// send 8 MiB a second.
	maxRateFactor = 32
)

// Places bound what is done at the same time: bodies that are read, or answers that are sent. Each
// client service may have some of the places. An eighth of them is reserved for client services
// that have none, so that a few cannot shut out the others. The fewer places are free, the faster a
// client must send or read (see LeastRate). Safe for concurrent use.
type Places struct {
	what, done string // for errors: what has places, and what is done with it, as in "requests", "being read"
	all, each  int

	mu       sync.Mutex
	taken    int
	byClient map[string]int // without client services that have none
	queue    []*placeWaiter
}

// placeWaiter is a request that waits for a place.
type placeWaiter struct {
	client string
	got    chan struct{} // closed when it has got one
}

// NewPlaces returns that many places in all, of which one client service may have each. what and
// done name them in errors, as in "requests", "being read".
func NewPlaces(what, done string, all, each int) *Places {
	return &Places{what: what, done: done, all: all, each: each, byClient: make(map[string]int)}
}

// Take takes a place for a client service until done is called. The error is KindTooMany, with the
// time after which to retry, if no place is free.
func (p *Places) Take(client string) (done func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(client); err != nil {
		return nil, err
	}
	p.grant(client)
	return func() { p.give(client) }, nil
}

// Wait is like Take, but waits for a free place until longest has passed or ctx is done.
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
	return func() { p.give(client) }, nil // the place was granted at the last moment
}

// refusal returns why a client service gets no further place; nil if it gets one. mu must be held.
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
		).Retryable(RetryAfter)
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

// give returns a place and grants it to the first waiting request whose client service may have it.
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

// LeastRate returns how many bytes per second a client service must average now. It is
// minBytesPerSecond while half of the places are free, and rises to maxRateFactor times that when
// none is free. For a client service with a single place it never rises, because a slow line alone
// is not an attack.
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
