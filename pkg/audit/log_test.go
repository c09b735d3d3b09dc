package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// newClock returns a clock that shows one minute before midnight.
func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 23, 59, 0, 0, time.UTC)} }

// Now returns the time of the clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// pass moves the clock by d, which may be negative.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a log that is closed at the end of the test.
func open(t *testing.T, folder string, c *clock, keep time.Duration) *audit.Log {
	t.Helper()
	l, err := audit.Open(audit.Config{Folder: folder, Log: testr.New(t), Now: c.Now, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// add appends two records for each of the calls.
func add(t *testing.T, l *audit.Log, calls ...string) {
	t.Helper()
	for _, id := range calls {
		records := []audit.Record{{Call: id, Outcome: audit.Returned}, {Call: id, Outcome: audit.Returned, Document: 1}}
		if err := l.Append(records); err != nil {
			t.Fatal(err)
		}
	}
}

// calls checks that the chain of a folder is whole. It returns the calls in it, each as often as it
// is recorded.
func calls(t *testing.T, folder string) string {
	t.Helper()
	var all []string
	r, err := audit.Verify(folder, func(_ string, r *audit.Record) {
		if r != nil {
			all = append(all, fmt.Sprint(r.Call, r.Document))
		}
	})
	if err != nil || len(r.Faults) > 0 || r.Torn {
		t.Fatalf("Verify = %+v, %v", r, err)
	}
	return strings.Join(all, " ")
}

// files returns the names of the files in a folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

// TestChain: the chain is continuous over midnight and over restarts.
func TestChain(t *testing.T) {
	folder, c := filepath.Join(t.TempDir(), "audit"), newClock()
	l := open(t, folder, c, 0)
	add(t, l, "a")
	c.pass(time.Hour)
	add(t, l, "b")
	c.pass(-2 * time.Hour) // a clock that is set back begins no file
	add(t, l, "c")
	last := l.Hash()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l = open(t, folder, c, 0); l.Hash() != last {
		t.Errorf("after a restart the chain ends with %s, not %s", l.Hash(), last)
	}
	add(t, l, "d")
	if got := calls(t, folder); got != "a0 a1 b0 b1 c0 c1 d0 d1" {
		t.Errorf("records are %s", got)
	}
	if got := fmt.Sprint(files(t, folder)); got != "[audit-2026-11-24-000.jsonl audit-2026-11-25-000.jsonl]" {
		t.Errorf("files are %s", got)
	}
	r, err := audit.Verify(folder, nil)
	if err != nil || r.Last != l.Hash() || r.First != strings.Repeat("0", 64) || r.Records != 8 ||
		r.ByOutcome[audit.Returned] != 8 {
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

// TestTogether: records that come at the same time are all stored, and the records of each group
// stay together.
func TestTogether(t *testing.T) {
	folder := t.TempDir()
	l := open(t, folder, newClock(), 0)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			id := fmt.Sprint("call", i)
			if err := l.Append([]audit.Record{{Call: id}, {Call: id, Document: 1}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := strings.Fields(calls(t, folder))
	if len(got) != 100 {
		t.Fatalf("%d records, want 100", len(got))
	}
	for i := 0; i < len(got); i += 2 {
		if strings.TrimSuffix(got[i], "0") != strings.TrimSuffix(got[i+1], "1") {
			t.Errorf("%s and %s lie side by side", got[i], got[i+1])
		}
	}
}

// TestDies: when the process dies at any point of a write, the next process continues after the
// last complete line.
func TestDies(t *testing.T) {
	source, c := t.TempDir(), newClock()
	l := open(t, source, c, 0)
	add(t, l, "a")
	before := readAll(t, source)
	add(t, l, "b")
	after := readAll(t, source)
	for n := range len(after) + 1 {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "audit-2026-11-24-000.jsonl"), after[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, folder, c, 0)
		add(t, l, "next")
		got := calls(t, folder)
		if want := "next0 next1"; !strings.HasSuffix(got, want) {
			t.Fatalf("cut after %d bytes: records are %q", n, got)
		}
		if n >= len(before) && !strings.HasPrefix(got, "a0 a1 ") || n == len(after) && got != "a0 a1 b0 b1 next0 next1" {
			t.Fatalf("cut after %d of %d bytes: records are %q: what was durable is gone", n, len(after), got)
		}
		_ = l.Close()
	}
}

// readAll returns the content of the first audit file.
func readAll(t *testing.T, folder string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "audit-2026-11-24-000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTampering: a record that is changed, removed, duplicated or moved is noticed. The log
// continues, and its new file says what was wrong.
func TestTampering(t *testing.T) {
	source, c := t.TempDir(), newClock()
	l := open(t, source, c, 0)
	add(t, l, "a", "b", "c")
	lines := bytes.SplitAfter(bytes.TrimSuffix(readAll(t, source), []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	join := func(parts ...[][]byte) []byte {
		var out []byte
		for _, p := range parts {
			out = append(out, bytes.Join(p, nil)...)
		}
		return out
	}
	for name, content := range map[string][]byte{
		"a changed letter":  bytes.Replace(readAll(t, source), []byte(`"call":"b"`), []byte(`"call":"x"`), 1),
		"a changed hash":    append([]byte("0"), readAll(t, source)[1:]...),
		"a line removed":    join(lines[:2], lines[3:]),
		"a line twice":      join(lines[:2], lines[1:]),
		"lines exchanged":   join(lines[:1], lines[2:3], lines[1:2], lines[3:]),
		"the head removed":  join(lines[1:]),
		"an empty line":     join(lines[:2], [][]byte{[]byte("\n")}, lines[2:]),
		"something foreign": join(lines, [][]byte{[]byte("hello\n")}),
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "audit-2026-11-24-000.jsonl"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := audit.Verify(folder, nil)
		if err != nil || len(r.Faults) != 1 {
			t.Errorf("%s: Verify = %+v, %v, want one fault", name, r, err)
		}
		l := open(t, folder, c, 0)
		add(t, l, "next")
		r, err = audit.Verify(folder, nil)
		if err != nil || len(r.Faults) < 2 ||
			!strings.Contains(strings.Join(r.Faults, "; "), "audit-2026-11-24-001.jsonl was started because of a fault") {
			t.Errorf("%s: after a start Verify = %+v, %v, want a fault that stays", name, r, err)
		}
		if r.Last != l.Hash() {
			t.Errorf("%s: the chain ends with %s, the log with %s", name, r.Last, l.Hash())
		}
	}
}

// TestFileRemoved: a missing file between two others breaks the chain. The oldest file may be
// missing.
func TestFileRemoved(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 0)
	for _, id := range []string{"a", "b", "c"} {
		add(t, l, id)
		c.pass(24 * time.Hour)
	}
	names := files(t, folder)
	if err := os.Rename(filepath.Join(folder, names[1]), filepath.Join(t.TempDir(), "x")); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(folder, nil); err != nil || len(r.Faults) != 1 ||
		!strings.Contains(r.Faults[0], "does not continue") {
		t.Errorf("Verify = %+v, %v, want a file that does not continue", r, err)
	}
	if err := os.Remove(filepath.Join(folder, names[0])); err != nil {
		t.Fatal(err)
	}
	if r, err := audit.Verify(folder, nil); err != nil || len(r.Faults) > 0 || r.First == strings.Repeat("0", 64) {
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

// TestFileRenamed renames each of three files in turn. Every new name is noticed, even if the chain
// alone would not show it.
func TestFileRenamed(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 0)
	for _, id := range []string{"a", "b", "c"} {
		add(t, l, id)
		c.pass(24 * time.Hour)
	}
	if r, err := audit.Verify(folder, nil); err != nil || len(r.Faults) > 0 {
		t.Fatalf("Verify = %+v, %v before anything was renamed", r, err)
	}
	for _, name := range files(t, folder) {
		for _, to := range []string{
			"audit-2026-11-23-000.jsonl", "audit-2026-12-24-000.jsonl", strings.Replace(name, "-000", "-003", 1),
			"x.jsonl", name + ".bak",
		} {
			from, at := filepath.Join(folder, name), filepath.Join(folder, to)
			if err := os.Rename(from, at); err != nil {
				t.Fatal(err)
			}
			oldest := strings.HasSuffix(to, "-24-003.jsonl") // the number of the oldest file is not checked
			if r, err := audit.Verify(folder, nil); err != nil ||
				!oldest && !strings.Contains(strings.Join(r.Faults, "; "), to+" was renamed") {
				t.Errorf("%s as %s: Verify = %+v, %v, want a fault that names it", name, to, r, err)
			}
			if err := os.Rename(at, from); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestKeep: a file is removed when its day ended longer ago than the configured time. The file in
// use is never removed.
func TestKeep(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 48*time.Hour)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		add(t, l, id)
		c.pass(24 * time.Hour)
	}
	if got := calls(t, folder); got != "c0 c1 d0 d1 e0 e1" {
		t.Errorf("records are %s", got)
	}
}

// TestDiskFails: when records cannot be written, none of them is stored. The next record is written
// where the chain ended.
func TestDiskFails(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 0)
	add(t, l, "a")
	audit.BreakFile(l)
	if err := l.Append([]audit.Record{{Call: "lost"}}); err == nil {
		t.Fatal("Append to a file that cannot be written went well")
	}
	add(t, l, "b")
	if got := calls(t, folder); got != "a0 a1 b0 b1" {
		t.Errorf("records are %s", got)
	}
}

// TestRollFails: a file that could not be begun leaves no trace in the chain. The next record
// begins it.
func TestRollFails(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, folder string, l *audit.Log){
		"at midnight": func(*testing.T, string, *audit.Log) {},
		"on a disk that fails otherwise too": func(t *testing.T, _ string, l *audit.Log) {
			audit.BreakFile(l)
			if err := l.Append([]audit.Record{{Call: "lost"}}); err == nil {
				t.Fatal("Append to a file that cannot be written went well")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder, c := t.TempDir(), newClock()
			l := open(t, folder, c, 0)
			add(t, l, "a")
			damage(t, folder, l)
			c.pass(24 * time.Hour)
			audit.FailSyncDir(l, 2)
			before := l.Hash()
			for range 2 {
				if err := l.Append([]audit.Record{{Call: "lost"}}); err == nil {
					t.Fatal("Append to a file that cannot be begun went well")
				}
				if l.Hash() != before {
					t.Errorf("the chain ends with %s, want %s", l.Hash(), before)
				}
			}
			add(t, l, "b", "c")
			if got := calls(t, folder); got != "a0 a1 b0 b1 c0 c1" {
				t.Errorf("records are %s", got)
			}
		})
	}
}

// TestRollAfterChangeFails: after a file was changed, the log recovers when the next file cannot be
// begun at first.
func TestRollAfterChangeFails(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 0)
	add(t, l, "a")
	path := filepath.Join(folder, files(t, folder)[0])
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"call":"a"`), []byte(`"call":"x"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	audit.BreakFile(l)
	audit.FailSyncDir(l, 1)
	for range 2 { // the first finds the file broken, the second finds the change and cannot begin another
		if err := l.Append([]audit.Record{{Call: "lost"}}); err == nil {
			t.Fatal("Append went well")
		}
	}
	add(t, l, "b")
	r, err := audit.Verify(folder, nil)
	if err != nil || r.Records != 2 || len(r.Faults) != 2 { // the change, and the file that was begun because of it
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

// TestAppendAfterClose: a closed log accepts no records and begins no file.
func TestAppendAfterClose(t *testing.T) {
	folder, c := t.TempDir(), newClock()
	l := open(t, folder, c, 0)
	add(t, l, "a")
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := l.Append([]audit.Record{{Call: "late"}}); !errors.Is(err, audit.ErrClosed) {
			t.Errorf("Append after Close = %v, want ErrClosed", err)
		}
		c.pass(24 * time.Hour)
	}
	if got := calls(t, folder); got != "a0 a1" || len(files(t, folder)) != 1 {
		t.Errorf("records are %s in %v", got, files(t, folder))
	}
}
