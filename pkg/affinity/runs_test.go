package affinity

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRecordRun checks which earlier runs an instance learns from its state folder.
func TestRecordRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), RunsFile)
	record := func(what, state, run string, ordinal int, want ...string) {
		t.Helper()
		got, err := RecordRun(file, state, Run{Instance: run, Ordinal: ordinal})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: RecordRun = %q, %v, want %q", what, got, err, want)
		}
	}
	record("a new folder", "s", "uid-1", 1)
	record("the same run again", "s", "uid-1", 1)
	record("the next run", "s", "uid-2", 1, "uid-1")
	record("another ordinal with this folder", "s", "uid-3", 2)
	record("the first ordinal again", "s", "uid-4", 1, "uid-1", "uid-2")
	record("a run that comes back", "s", "uid-1", 1, "uid-2", "uid-4")
	record("a run that is not known", "s", "", 1, "uid-2", "uid-4", "uid-1")
	record("an identity that is too long", "s", strings.Repeat("x", 300), 1, "uid-2", "uid-4", "uid-1")
	record("the state was thrown away", "t", "uid-5", 1)
	record("after that", "t", "uid-6", 1, "uid-5")
}

// TestRecordRunDamaged checks that a damaged list is reported and replaced.
func TestRecordRunDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), RunsFile)
	for name, content := range map[string]string{"no JSON": "{", "too long": strings.Repeat(" ", maxRunsBytes+1)} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := RecordRun(file, "s", Run{Instance: "uid-1"}); err == nil || got != nil {
			t.Errorf("%s: RecordRun = %q, %v, want an error", name, got, err)
		}
		if got, err := RecordRun(file, "s", Run{Instance: "uid-2"}); err != nil || !slices.Equal(got, []string{"uid-1"}) {
			t.Errorf("%s: the next RecordRun = %q, %v, want uid-1", name, got, err)
		}
	}
}

// TestRecordRunIsBounded checks that the list keeps the newest runs, and that the longest list can
// be read.
func TestRecordRunIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), RunsFile)
	name := func(i int) string { return fmt.Sprintf("%0*d", maxNameBytes, i) }
	for i := range 2 * maxRuns {
		if _, err := RecordRun(file, "s", Run{Instance: name(i), Ordinal: MaxInstances - 1}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := RecordRun(file, "s", Run{Instance: "now", Ordinal: MaxInstances - 1})
	if err != nil || len(got) != maxRuns || got[0] != name(maxRuns) {
		t.Errorf("RecordRun = %d runs, %v, want the newest %d", len(got), err, maxRuns)
	}
}

// TestRecordRunNotWritable checks that a run that cannot be recorded is reported.
func TestRecordRunNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", RunsFile)
	if got, err := RecordRun(file, "s", Run{Instance: "uid"}); err == nil || got != nil {
		t.Errorf("RecordRun in a missing folder = %q, %v, want an error", got, err)
	}
}
