package lastgood_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lastgood"
)

// version is what an observer or a report is told.
type version struct {
	value string
	fault string
}

func newVersion(value string, err error) version {
	if err != nil {
		return version{fault: err.Error()}
	}
	return version{value: value}
}

// pair is a Value of two files: their contents joined, unless one is "bad".
type pair struct {
	*lastgood.Value[string]
	a, b     string // paths
	observed []version
}

func newPair(t *testing.T) *pair {
	p := &pair{a: filepath.Join(t.TempDir(), "a"), b: filepath.Join(t.TempDir(), "b")}
	p.Value = lastgood.New(lastgood.Config[string]{
		What: "pair", Paths: []string{p.a, p.b}, MaxBytes: 10, Poll: time.Millisecond, Log: logr.Discard(),
		Decode: func(contents [][]byte) (string, error) {
			both := fmt.Sprintf("%s+%s", contents[0], contents[1])
			if strings.Contains(both, "bad") {
				return "", errors.New("a pair is bad")
			}
			return both, nil
		},
		Observe: func(value string, err error) { p.observed = append(p.observed, newVersion(value, err)) },
	})
	return p
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestLoad tells each version once, and keeps the last good value when a version is refused.
func TestLoad(t *testing.T) {
	p := newPair(t)
	write(t, p.a, "1")
	for _, step := range []struct {
		name    string
		change  func()
		changed bool
		fault   string // part of it; empty = no error
		value   string
	}{
		{"a file is missing", func() {}, false, "read pair: open " + p.b, ""},
		{"it is still missing", func() {}, false, "", ""},
		{"both exist", func() { write(t, p.b, "2") }, true, "", "1+2"},
		{"nothing changed", func() {}, false, "", "1+2"},
		{"one is bad", func() { write(t, p.b, "bad") }, false, "read pair: a pair is bad", "1+2"},
		{"it is still bad", func() {}, false, "", "1+2"},
		{"one is too large", func() { write(t, p.b, "12345678901") }, false, "larger than 10 bytes", "1+2"},
		{"the old version is back", func() { write(t, p.b, "2") }, true, "", "1+2"},
		{"a byte moves between files", func() { write(t, p.a, "12"); write(t, p.b, "") }, true, "", "12+"},
	} {
		step.change()
		changed, err := p.Load()
		if changed != step.changed || (err == nil) != (step.fault == "") ||
			err != nil && !strings.Contains(err.Error(), step.fault) {
			t.Errorf("%s: Load = %v, %v; want %v and an error with %q", step.name, changed, err, step.changed, step.fault)
		}
		if got := p.Current(); got != step.value {
			t.Errorf("%s: Current = %q, want %q", step.name, got, step.value)
		}
	}
	if len(p.observed) != 6 || p.observed[1] != (version{value: "1+2"}) ||
		p.observed[2].fault != "read pair: a pair is bad" {
		t.Errorf("observed %+v, want one call for each of the 6 versions", p.observed)
	}
}

// TestLoadMissing wants callers to see that a file does not exist.
func TestLoadMissing(t *testing.T) {
	if _, err := newPair(t).Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load = %v, want fs.ErrNotExist", err)
	}
}

// TestRun reports a refused version and a good version, each once, until its context ends.
func TestRun(t *testing.T) {
	p := newPair(t)
	write(t, p.a, "1")
	write(t, p.b, "2")
	if _, err := p.Load(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reports, ended := make(chan version, 10), make(chan error)
	go func() {
		ended <- p.Run(ctx, func(value string, err error) { reports <- newVersion(value, err) })
	}()
	write(t, p.b, "bad")
	if got := <-reports; got.fault != "read pair: a pair is bad" {
		t.Errorf("report is %+v, want the refusal", got)
	}
	write(t, p.b, "3")
	if got := <-reports; got.value != "1+3" {
		t.Errorf("report is %+v, want the new value", got)
	}
	if got := p.Current(); got != "1+3" {
		t.Errorf("Current = %q, want %q", got, "1+3")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	if len(reports) > 0 {
		t.Errorf("one more report: %+v", <-reports)
	}
}
