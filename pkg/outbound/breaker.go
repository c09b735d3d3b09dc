package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// Breaker is a circuit breaker for each host. It opens after Failures failed calls in a row. A call
// fails when it gets no answer or a 5xx status other than 501. While the breaker is open, calls
// fail at once with an *OpenError and are not sent. After a while the breaker lets one probe
// through. If the probe succeeds, the breaker closes. If it fails, the breaker stays open for twice
// as long. A call that its caller cancelled does not count.
type Breaker struct {
	Failures int           // 0 = 5; negative = it never opens
	Open     time.Duration // how long it stays open the first time; 0 = 5 s
	MaxOpen  time.Duration // the longest time that it stays open; 0 = 1 min
	// Changed is called with each new state of a host, for metrics and the log. It must not block. It
	// may be nil.
	Changed func(host string, s State)
}

// State is the state of a breaker.
type State string

const (
	Closed   State = "closed"    // calls are sent
	Open     State = "open"      // calls fail at once
	HalfOpen State = "half-open" // one probe is under way
)

// OpenError is the error of a call that was not sent because the host has failed recently.
type OpenError struct {
	Host       string
	RetryAfter time.Duration // time until the next call is let through
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s has failed recently, next call in %s", e.Host, e.RetryAfter.Round(time.Millisecond))
}

// maxHosts bounds the memory for failing hosts, because certificates may name any number of OCSP
// and CRL hosts. When the map is full, further failing hosts get no breaker.
const maxHosts = 1024

// breakers holds the breakers of all hosts whose last call failed. A host that works has no entry.
type breakers struct {
	cfg   Breaker
	mu    sync.Mutex
	hosts map[string]*hostState
}

type hostState struct {
	state    State
	failures int
	until    time.Time     // when the Open state ends
	open     time.Duration // how long it stayed open last time
}

func newBreakers(cfg Breaker) *breakers {
	cfg.Failures = cmp.Or(cfg.Failures, 5)
	cfg.Open = cmp.Or(cfg.Open, 5*time.Second)
	cfg.MaxOpen = cmp.Or(cfg.MaxOpen, time.Minute)
	return &breakers{cfg: cfg, hosts: make(map[string]*hostState)}
}

// enter returns nil if a call may be sent, and an *OpenError otherwise. After nil the caller must
// call leave.
func (b *breakers) enter(host string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil {
		return nil
	}
	switch h.state {
	case HalfOpen:
		return &OpenError{Host: host, RetryAfter: b.cfg.Open}
	case Open:
		if wait := time.Until(h.until); wait > 0 {
			return &OpenError{Host: host, RetryAfter: wait}
		}
		b.set(host, h, HalfOpen)
	}
	return nil
}

// verdict is what a call says about its host.
type verdict int

const (
	worked verdict = iota
	failed
	unknown // the caller cancelled the call
)

// judge separates failures of the host from all other failures.
func judge(answer *http.Response, err error) verdict {
	switch {
	case errors.Is(err, context.Canceled):
		return unknown
	case err != nil:
		return failed
	case answer.StatusCode >= 500 && answer.StatusCode != http.StatusNotImplemented:
		return failed
	}
	return worked
}

func (b *breakers) leave(host string, v verdict) {
	if b.cfg.Failures < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	switch {
	case h == nil && v != failed:
		return
	case h == nil:
		if len(b.hosts) >= maxHosts {
			return
		}
		h = &hostState{state: Closed}
		b.hosts[host] = h
	}
	switch v {
	case worked:
		if h.state != Closed {
			b.set(host, h, Closed)
		}
		delete(b.hosts, host)
	case failed:
		h.failures++
		if h.state == HalfOpen || h.state == Closed && h.failures >= b.cfg.Failures {
			b.trip(host, h)
		}
	case unknown:
		if h.state == HalfOpen { // the probe gave no information, so the next call probes again
			h.until = time.Now()
			b.set(host, h, Open)
		}
	}
}

// trip opens the breaker for twice as long as last time, at most MaxOpen.
func (b *breakers) trip(host string, h *hostState) {
	h.open = pace.Backoff{First: b.cfg.Open, Max: b.cfg.MaxOpen}.Next(h.open)
	h.until = time.Now().Add(h.open)
	b.set(host, h, Open)
}

func (b *breakers) set(host string, h *hostState, s State) {
	h.state = s
	if b.cfg.Changed != nil {
		b.cfg.Changed(host, s)
	}
}
