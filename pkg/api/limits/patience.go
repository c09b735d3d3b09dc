package limits

import (
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// patience refuses sync requests early where they would only wait in vain: once several of a client
// service's in a row have waited as long as they may without a result, the remote side is too slow
// for them. Async requests are accepted all the same.
type Patience struct {
	wait time.Duration // how long a sync request waits at most

	mu       sync.Mutex
	byClient map[string]*waits
}

// waits are those of one client service since its last result in time.
type waits struct {
	inVain int
	until  time.Time // no further request before; then one is let through to see
}

const (
	// vainWaits is how many requests in a row wait in vain before others are refused: one that waits
	// for its own reasons (a timestamp authority that is out of reach, say) says nothing of the
	// others.
	vainWaits = 3
	// refusedFor is how long requests are refused then.
	refusedFor = 10 * time.Second
)

func NewPatience(wait time.Duration) *Patience {
	return &Patience{wait: wait, byClient: make(map[string]*waits)}
}

// admit returns KindBusy, with the time to come again, while requests of a client service would
// wait in vain. toSee is true for the one that is let through to see: the caller calls waited or
// unseen.
func (p *Patience) Admit(client string, now time.Time) (toSee bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.byClient[client]
	if w == nil || w.inVain < vainWaits {
		return false, nil
	}
	if now.Before(w.until) {
		return false, signing.Errorf(
			signing.KindBusy,
			"results take longer than a synchronous request waits; send it asynchronously, or later",
		).
			Retryable(
				min(w.until.Sub(now), refusedFor),
			)
	}
	w.until = now.Add(p.wait + refusedFor) // this one is to see; the others wait for what it finds
	return true, nil
}

// waited notes how the wait of an admitted request ended.
func (p *Patience) Waited(client string, inTime bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inTime {
		delete(p.byClient, client)
		return
	}
	w := p.byClient[client]
	if w == nil {
		w = &waits{}
		p.byClient[client] = w
	}
	w.inVain++
	w.until = now.Add(refusedFor)
}

// unseen notes that the request that was to see did not wait to the end: it was refused for what it
// is, say. The next one is to see.
func (p *Patience) Unseen(client string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.byClient[client]; w != nil {
		w.until = now
	}
}
