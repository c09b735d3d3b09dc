package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestGoals checks the form of verdicts, and that a missed goal is an error that names it, also if
// nothing was measured.
func TestGoals(t *testing.T) {
	var out bytes.Buffer
	g := &goals{out: &out}
	g.atLeast("speed / floor", 0.6, 0.6, "")
	g.rss("queued", 159<<20, 160)
	g.disk("queued", 21_000_000+40_000*100+16_000_000, 20_000_000, 100)
	if err := g.err(); err != nil {
		t.Errorf("met goals are an error: %v", err)
	}
	g.atLeast("slow", 0.59, 0.6, "")
	g.rss("fat", 161<<20, 160)
	g.disk("full", 41_100_000, 20_000_000, 100)
	g.atMost("nothing", 0, 1.1, "")
	err := g.err()
	for _, missed := range []string{"4 of 7 goals", "slow", "fat: peak RSS", "full: peak state", "nothing"} {
		if err == nil || !strings.Contains(err.Error(), missed) {
			t.Errorf("err = %v, want %q in it", err, missed)
		}
	}
	want := "  goal: speed / floor: 0.60, at least 0.60: met\n  goal: queued: peak RSS: 159 MiB, at most 160 MiB: met\n"
	if !strings.HasPrefix(out.String(), want) ||
		!strings.Contains(out.String(), "  goal: fat: peak RSS: 161 MiB, at most 160 MiB: MISSED\n") {
		t.Errorf("printed\n%s", out.String())
	}
}

// TestOwnTime checks that the client's time is subtracted only if the client took it from the
// proxy.
func TestOwnTime(t *testing.T) {
	for _, c := range []struct{ cores, documents, want int }{{2, 1, 6}, {1, 50, 6}, {2, 50, 8}, {8, 50, 10}, {8, 1, 6}} {
		r := result{scenario: scenario{documents: c.documents}, wall: 10 * time.Second, clientCPU: 4 * time.Second}
		if got := r.ownOf(c.cores); got != time.Duration(c.want)*time.Second {
			t.Errorf("%d cores, %d documents: %s, want %d s", c.cores, c.documents, got, c.want)
		}
	}
}

// TestMeets checks that a case is selected by its name or by the first part of its name.
func TestMeets(t *testing.T) {
	for only, want := range map[string]bool{"": true, "load": true, "load-queued": true, "load-q": false, "sync": false} {
		if got := meets(only, "load-queued"); got != want {
			t.Errorf("-case %q measures load-queued: %t, want %t", only, got, want)
		}
	}
}
