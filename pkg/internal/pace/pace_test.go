package pace_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// TestWait allows no more than three calls in any second, in whatever pattern the callers come.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(3, time.Second)
		var mu sync.Mutex
		var calls []time.Time
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i%4) * 150 * time.Millisecond) // fake
				if err := p.Wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				calls = append(calls, time.Now())
			})
		}
		start := time.Now()
		all.Wait()
		slices.SortFunc(calls, time.Time.Compare)
		for i := 3; i < len(calls); i++ {
			if d := calls[i].Sub(calls[i-3]); d < time.Second {
				t.Errorf("calls %d to %d came within %v", i-3, i, d)
			}
		}
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("20 calls at 3 a second took %v", took)
		}
	})
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(1, time.Hour)
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v, want the deadline's error", err)
		}
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait after the end = %v, want the deadline's error", err)
		}
	})
}
