package hotfolder

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/cron"
)

// TestClockSetBack plans the next tick again when the wall clock was wrong at the start.
func TestClockSetBack(t *testing.T) {
	schedule, err := cron.Parse("0 0/5 * * * ?")
	if err != nil {
		t.Fatal(err)
	}
	var p plan
	wrong := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	right := time.Date(2026, 1, 1, 12, 1, 0, 0, time.UTC)
	for i, step := range []struct {
		now  time.Time
		want bool
	}{
		{wrong, false},
		{wrong.Add(5 * time.Minute), true},
		{right, false},
		{right.Add(3 * time.Minute), false},
		{right.Add(4 * time.Minute), true},
		{right.Add(5 * time.Minute), false},
	} {
		if got := p.ticked(schedule, step.now); got != step.want {
			t.Errorf("step %d: ticked = %v at %v, want %v", i, got, step.now, step.want)
		}
	}
}
