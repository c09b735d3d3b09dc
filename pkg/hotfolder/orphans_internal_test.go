package hotfolder

import (
	"testing"
	"time"
)

// TestOrphans counts the time of a sidecar without its file from when it is alone. Another instance
// claims a file before its sidecar, and both may have waited for long.
func TestOrphans(t *testing.T) {
	cfg := &Config{}
	cfg.setDefaults()
	w := newWindow(cfg)
	start := time.Now()
	scan := func(at time.Duration, names ...string) int {
		s := w.begin(start.Add(at))
		for _, name := range names {
			s.add(Entry{Name: name, Size: 1, Modified: start})
		}
		s.end()
		return len(w.orphans(start.Add(at)))
	}
	const both, alone = time.Hour, time.Hour + time.Second
	for _, step := range []struct {
		at    time.Duration
		names []string
		want  int
	}{
		{0, []string{"a", "a.sign.json"}, 0},
		{both, []string{"a", "a.sign.json"}, 0},
		{alone, []string{"a.sign.json"}, 0},
		{alone + cfg.IncompleteAfter, []string{"a.sign.json"}, 0},
		{alone + cfg.IncompleteAfter + 1, []string{"a.sign.json"}, 1},
		{2 * alone, []string{"a", "a.sign.json"}, 0},
		{3 * alone, []string{"a.sign.json"}, 0},
	} {
		if got := scan(step.at, step.names...); got != step.want {
			t.Errorf("after %s with %q there are %d orphans, want %d", step.at, step.names, got, step.want)
		}
	}
}
