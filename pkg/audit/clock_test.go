package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
)

// TestClockWasAhead: when a clock that was ahead is corrected, the record continues with one file a
// day, in one chain, and --audit.keep still removes old files. The same holds after restarts, and
// after a clock that was behind.
func TestClockWasAhead(t *testing.T) {
	const decade = 10 * 365 * 24 * time.Hour
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 48*time.Hour)
	add(t, l, "a")
	for _, wrong := range []time.Duration{decade, decade + 24*time.Hour, -decade} {
		c.pass(wrong)
		add(t, l, "b")
		c.pass(-wrong)
	}
	for i := range 6 {
		add(t, l, fmt.Sprint("c", i))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = open(t, folder, c, 48*time.Hour)
		add(t, l, fmt.Sprint("d", i))
		c.pass(24 * time.Hour)
	}
	if got := calls(t, folder); got != "c30 c31 d30 d31 c40 c41 d40 d41 c50 c51 d50 d51" {
		t.Errorf("records are %s, want those of three days", got)
	}
	if got := len(files(t, folder)); got != 3 {
		t.Errorf("%d files, want one a day", got)
	}
}

// TestClockWasBehind: a clock that is far behind for one moment loses no record.
func TestClockWasBehind(t *testing.T) {
	const decade = 10 * 365 * 24 * time.Hour
	for name, ahead := range map[string]time.Duration{"from the right time": 0, "from one ahead": decade} {
		t.Run(name, func(t *testing.T) {
			folder, c := t.TempDir(), newClock()
			l := open(t, folder, c, 48*time.Hour)
			c.pass(ahead)
			add(t, l, "a")
			c.pass(-ahead)
			add(t, l, "b")
			c.pass(24 * time.Hour)
			add(t, l, "c")
			c.pass(-decade)
			add(t, l, "d")
			c.pass(decade)
			add(t, l, "e")
			if got := calls(t, folder); got != "a0 a1 b0 b1 c0 c1 d0 d1 e0 e1" {
				t.Errorf("records are %s, want all", got)
			}
		})
	}
}

// TestNextName: names sort in the order of the files, whatever the clock does.
func TestNextName(t *testing.T) {
	for _, test := range []struct{ last, today, want string }{
		{"", "2026-01-01", "audit-2026-01-01-000.jsonl"},
		{"audit-2026-01-01-007.jsonl", "2026-01-02", "audit-2026-01-02-000.jsonl"},
		{"audit-2026-01-01-007.jsonl", "2026-01-01", "audit-2026-01-01-008.jsonl"},
		{"audit-2036-12-31-998.jsonl", "2026-01-01", "audit-2036-12-31-999.jsonl"},
		{"audit-2036-12-31-999.jsonl", "2026-01-01", "audit-2037-01-01-000.jsonl"},
	} {
		now, err := time.Parse(time.DateOnly, test.today)
		if err != nil {
			t.Fatal(err)
		}
		if got := audit.NextName(test.last, now); got != test.want || got <= test.last {
			t.Errorf("the name behind %q on %s = %s, want %s", test.last, test.today, got, test.want)
		}
	}
}
