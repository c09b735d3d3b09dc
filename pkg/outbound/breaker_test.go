package outbound_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// script is a host whose answers the test chooses.
type script struct {
	mu     sync.Mutex
	status int // 0 = no answer
	calls  int
	hold   chan struct{}
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.calls++
	status, hold := s.status, s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
}

func (s *script) set(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// breakerClient returns a client whose host is a script, and a function that returns the states
// that the breaker has had.
func breakerClient(host *script, b outbound.Breaker) (*http.Client, func() []outbound.State) {
	var mu sync.Mutex
	var states []outbound.State
	b.Changed = func(_ string, s outbound.State) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, s)
	}
	return outbound.WithBase(host, b), func() []outbound.State {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(states)
	}
}

func try(ctx context.Context, client *http.Client) (status int, wait time.Duration, err error) {
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://simulated.invalid/", nil)
	a, err := outbound.Exchange(client, r, 10)
	var open *outbound.OpenError
	if errors.As(err, &open) {
		wait = open.RetryAfter
	}
	if a != nil {
		status = a.Status
	}
	return status, wait, err
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &script{}
		client, states := breakerClient(host, outbound.Breaker{Failures: 3, Open: 4 * time.Second, MaxOpen: 10 * time.Second})
		want := func(what string, calls int, wait time.Duration) {
			t.Helper()
			_, got, err := try(t.Context(), client)
			if host.calls != calls || got != wait {
				t.Errorf("%s: %d calls went out, wait %v (%v); want %d, %v", what, host.calls, got, err, calls, wait)
			}
		}
		want("first failure", 1, 0)
		host.set(http.StatusTooManyRequests) // the host works
		want("success between", 2, 0)
		host.set(http.StatusServiceUnavailable)
		want("1 in a row", 3, 0)
		want("2 in a row", 4, 0)
		want("3 in a row", 5, 0)
		want("open", 5, 4*time.Second)
		time.Sleep(3 * time.Second)
		want("still open", 5, time.Second)
		time.Sleep(time.Second)
		want("a call to see", 6, 0)
		want("open for twice as long", 6, 8*time.Second)
		time.Sleep(8 * time.Second)
		want("another", 7, 0)
		want("open for the longest time", 7, 10*time.Second)
		time.Sleep(10 * time.Second)
		host.set(http.StatusOK)
		want("it works", 8, 0)
		want("closed", 9, 0)
		sequence := []outbound.State{
			outbound.Open,
			outbound.HalfOpen,
			outbound.Open,
			outbound.HalfOpen,
			outbound.Open,
			outbound.HalfOpen,
			outbound.Closed,
		}
		if got := states(); !slices.Equal(got, sequence) {
			t.Errorf("states = %v, want %v", got, sequence)
		}
		for range 3 {
			host.set(0)
			_, _, _ = try(t.Context(), client)
		}
		want("open for the first time again", 12, 4*time.Second)
	})
}

// TestHalfOpenLetsOneThrough checks that other calls are refused while a probe is under way, and
// that the next call becomes the probe when the caller of the first one gives up.
func TestHalfOpenLetsOneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := &script{}
		client, _ := breakerClient(host, outbound.Breaker{Failures: 1, Open: time.Second})
		_, _, _ = try(t.Context(), client)
		time.Sleep(time.Second)
		host.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _, _ = try(ctx, client) }()
		synctest.Wait()
		if _, wait, _ := try(t.Context(), client); wait != time.Second || host.calls != 2 {
			t.Errorf("second call: wait %v, %d calls; want 1 s, 2", wait, host.calls)
		}
		cancel()
		synctest.Wait()
		close(host.hold)
		host.set(http.StatusOK)
		if status, _, err := try(t.Context(), client); status != http.StatusOK {
			t.Errorf("after the first gave up: %d, %v; want 200", status, err)
		}
	})
}

// TestBreakerJudgement checks which outcomes count as a failure of the host.
func TestBreakerJudgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for status, opens := range map[int]bool{
			0: true, 500: true, 503: true, 501: false, 400: false, 401: false, 404: false, 429: false, 302: false,
		} {
			client, states := breakerClient(&script{status: status}, outbound.Breaker{Failures: 1})
			_, _, _ = try(t.Context(), client)
			if got := len(states()) > 0; got != opens {
				t.Errorf("status %d opens the breaker: %v, want %v", status, got, opens)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		client, states := breakerClient(&script{hold: make(chan struct{})}, outbound.Breaker{Failures: 1})
		_, _, _ = try(cancelled, client)
		if len(states()) > 0 {
			t.Error("a call that its caller gave up opened the breaker")
		}
		late, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, _, _ = try(late, client)
		if len(states()) == 0 {
			t.Error("a call that was not answered in time did not open the breaker")
		}
	})
}

// TestHostsApart checks that the failures of one host do not block calls to another host.
func TestHostsApart(t *testing.T) {
	bad, good := newServer(
		t,
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	), newServer(t, func(http.ResponseWriter, *http.Request) {})
	client := newClient(t, outbound.Config{Breaker: outbound.Breaker{Failures: 1}})
	_, _ = outbound.Exchange(client, post(t.Context(), t, bad.URL), 10)
	_, err := outbound.Exchange(client, post(t.Context(), t, bad.URL), 10)
	var open *outbound.OpenError
	var lost *outbound.LostError
	if !errors.As(err, &open) || !errors.As(err, &lost) || lost.Sent {
		t.Errorf("bad host: %v, want an open breaker and nothing sent", err)
	}
	if a, err := outbound.Exchange(client, post(t.Context(), t, good.URL), 10); err != nil || a.Status != http.StatusOK {
		t.Errorf("good host: %v, %v", a, err)
	}
}
