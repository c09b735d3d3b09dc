package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Breaker keeps calls away from a host that fails. After Failures calls in a row that found no
// working service (no answer, or a status of 5xx other than 501) it opens: calls fail at once with
// an *OpenError, unsent. After a while one call is let through; its success closes the breaker, its
// failure opens it for twice as long. Calls that the caller gave up say nothing about the host.
type Breaker struct {
	Failures int           // 0 = 5; negative = never opens
	Open     time.Duration // first time that it stays open; 0 = 5 s
	MaxOpen  time.Duration // longest time; 0 = 1 min
	// Changed is told each new state of a host, for metrics and the log. It must not block. Nil =
	// nobody asks.
	Changed func(host string, s State)
}

// State of a breaker.
type State string

const (
	Closed   State = "closed"    // calls go out
	Open     State = "open"      // calls fail at once
	HalfOpen State = "half-open" // one call is out to see
)

// OpenError is a call that was not made since the host has failed lately.
type OpenError struct {
	Host       string
	RetryAfter time.Duration // until the next call is let through
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s has failed lately, next call in %s", e.Host, e.RetryAfter.Round(time.Millisecond))
}

// maxHosts bounds the memory for hosts that fail: certificates may name any number of OCSP and CRL
// hosts. Beyond it a further failing host is not guarded.
const maxHosts = 1024

// breakers are the breakers of all hosts that failed last time; a host that works has none.
type breakers struct {
	cfg   Breaker
	mu    sync.Mutex
	hosts map[string]*hostState
}

type hostState struct {
	state    State
	failures int
	until    time.Time     // when Open: the end
	open     time.Duration // how long it was opened last
}

func newBreakers(cfg Breaker) *breakers {
	if cfg.Failures == 0 {
		cfg.Failures = 5
	}
	if cfg.Open == 0 {
		cfg.Open = 5 * time.Second
	}
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = time.Minute
	}
	return &breakers{cfg: cfg, hosts: make(map[string]*hostState)}
}

// enter says whether a call may go out. Who got nil owes a leave.
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

// verdict is what a call said about its host.
type verdict int

const (
	worked verdict = iota
	failed
	silent // nothing: the caller gave up
)

// judge tells a host's failures from everybody else's.
func judge(answer *http.Response, err error) verdict {
	switch {
	case errors.Is(err, context.Canceled):
		return silent
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
	case silent:
		if h.state == HalfOpen { // the probe told nothing: the next call probes again
			h.until = time.Now()
			b.set(host, h, Open)
		}
	}
}

// trip opens the breaker for longer than last time.
func (b *breakers) trip(host string, h *hostState) {
	h.open = min(max(2*h.open, b.cfg.Open), b.cfg.MaxOpen)
	h.until = time.Now().Add(h.open)
	b.set(host, h, Open)
}

func (b *breakers) set(host string, h *hostState, s State) {
	h.state = s
	if b.cfg.Changed != nil {
		b.cfg.Changed(host, s)
	}
}
