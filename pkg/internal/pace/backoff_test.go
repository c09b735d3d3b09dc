package pace_test

import (
	"math"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// TestBackoff doubles the pause from First up to Max, by count and from the pause before.
func TestBackoff(t *testing.T) {
	b := pace.Backoff{First: time.Second, Max: 5 * time.Second}
	pause := time.Duration(0)
	for i, want := range []time.Duration{1, 2, 4, 5, 5} {
		want *= time.Second
		pause = b.Next(pause)
		if got := b.After(i + 1); got != want || pause != want {
			t.Errorf("after %d failures the pause is %v by count and %v by the pause before, want %v", i+1, got, pause, want)
		}
	}
	if got := b.After(0); got != time.Second {
		t.Errorf("After(0) = %v, want First", got)
	}
}

// TestBackoffBounds keeps the pause positive when nothing bounds it.
func TestBackoffBounds(t *testing.T) {
	b := pace.Backoff{First: time.Second}
	if got := b.After(math.MaxInt); got < 100*365*24*time.Hour {
		t.Errorf("After(MaxInt) = %v, want a pause of more than a century", got)
	}
	if got := b.Next(math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("Next(MaxInt64) = %v, want no overflow", got)
	}
	if got := (pace.Backoff{First: time.Minute, Max: time.Second}).After(1); got != time.Second {
		t.Errorf("After(1) = %v, want Max where First is longer", got)
	}
}
