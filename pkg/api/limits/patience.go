package limits

import (
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Patience refuses sync requests that would probably not get their result in time. It does so when
// several sync requests of a client service in a row have waited the whole time without a result,
// because then the provider is too slow for them. Async requests are still accepted. Safe for
// concurrent use.
type Patience struct {
	wait time.Duration // the longest wait of a sync request

	mu       sync.Mutex
	byClient map[string]*waits
}

// waits counts the timed-out waits of one client service since its last result in time.
type waits struct {
	timedOut int
	until    time.Time // no request is admitted before; then one is admitted as a probe
}

const (
	// maxTimedOut is how many waits in a row must time out before requests are refused. One wait may
	// time out for a reason of its own, such as an unreachable timestamp authority.
	maxTimedOut = 3
	// refusedFor is how long requests are refused after that.
	refusedFor = 10 * time.Second
)

// NewPatience returns a Patience for sync requests that wait at most that long.
func NewPatience(wait time.Duration) *Patience {
	return &Patience{wait: wait, byClient: make(map[string]*waits)}
}

// Admit returns KindBusy, with the time after which to retry, while sync requests of a client
// service are refused. probe is true for the one request that is admitted to find out whether
// results come in time again. Its caller must call Waited or Abandon.
func (p *Patience) Admit(client string, now time.Time) (probe bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.byClient[client]
	if w == nil || w.timedOut < maxTimedOut {
		return false, nil
	}
	if now.Before(w.until) {
		busy := signing.Errorf(signing.KindBusy,
			"results take longer than a synchronous request waits; send the request asynchronously, or later")
		return false, busy.Retryable(min(w.until.Sub(now), refusedFor))
	}
	w.until = now.Add(p.wait + refusedFor) // others are refused until the probe has ended
	return true, nil
}

// Waited records whether an admitted request got its result in time.
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
	w.timedOut++
	w.until = now.Add(refusedFor)
}

// Abandon records that the probe did not wait to the end, for example because its content was
// refused. The next request becomes the probe.
func (p *Patience) Abandon(client string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.byClient[client]; w != nil {
		w.until = now
	}
}
