package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

// history is a world in which a supervisor works. Its clock moves when somebody waits.
type history struct {
	now    time.Time
	pauses []time.Duration
	said   []string
}

func (h *history) supervisor(ask, run func(context.Context) error) *supervisor {
	return &supervisor{
		log: logr.Discard(), ask: ask, run: run,
		say: func(why string) { h.said = append(h.said, why) },
		now: func() time.Time { return h.now },
		nap: func(_ context.Context, d time.Duration) error {
			h.now = h.now.Add(d)
			h.pauses = append(h.pauses, d)
			return nil
		},
	}
}

func (h *history) want(t *testing.T, pauses ...time.Duration) {
	t.Helper()
	for i := range pauses {
		pauses[i] *= time.Second
	}
	if !slices.Equal(h.pauses, pauses) {
		t.Errorf("pauses are %v, want %v", h.pauses, pauses)
	}
}

// TestSuperviseWaits checks that no manager starts before the API server answers, that the pauses
// grow up to a bound, and that the supervisor says what it waits for.
func TestSuperviseWaits(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	h, asked := &history{}, 0
	ask := func(context.Context) error {
		if asked++; asked < 8 {
			return errors.New("connection refused")
		}
		return nil
	}
	run := func(context.Context) error {
		if asked != 8 {
			t.Errorf("a manager starts after %d questions", asked)
		}
		stop()
		return nil
	}
	if err := h.supervisor(ask, run).supervise(ctx); err != nil {
		t.Errorf("supervise = %v", err)
	}
	h.want(t, 1, 2, 4, 8, 15, 15, 15)
	if h.said[0] != "waiting for the API server: connection refused" || h.said[len(h.said)-1] != "" {
		t.Errorf("the supervisor says %q", h.said)
	}
}

// TestSuperviseStartsAgain checks that a manager that ends is followed by another one. The pauses
// grow while managers end at once, and are short again after one that worked.
func TestSuperviseStartsAgain(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	h, runs := &history{}, 0
	run := func(context.Context) error {
		switch runs++; runs {
		case 3:
			h.now = h.now.Add(steady)
		case 5:
			stop()
			return errors.New("the last one")
		case 2:
			return nil
		}
		return errors.New("leader election lost")
	}
	err := h.supervisor(func(context.Context) error { return nil }, run).supervise(ctx)
	if err == nil || err.Error() != "the last one" {
		t.Errorf("supervise = %v, want the error of the stop", err)
	}
	h.want(t, 1, 2, 1, 2)
}

// TestSuperviseStops checks that a supervisor that waits for the API server ends when it must.
func TestSuperviseStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	h := &history{}
	ask := func(context.Context) error { stop(); return context.Canceled }
	if err := h.supervisor(ask, nil).supervise(ctx); err != nil {
		t.Errorf("supervise = %v", err)
	}
	h.want(t)
}
