package main_test

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// size says how often a test repeats something at random. `make test` runs the short size, so that
// it stays quick. `make soak` and `make hostile` set the variable, and so run the long size.
type size struct {
	short    int    // in `make test`
	variable string // environment variable that asks for the long size
	each     int    // the long size is each times the value of the variable
}

// Sizes of all tests that repeat something. The comments give the long size.
var (
	crashRuns        = size{short: 8, variable: "SOAK_RUNS", each: 1}     // make soak: 200 runs
	hotKills         = size{short: 2, variable: "SOAK_RUNS", each: 1}     // make soak: 200 runs
	hostileRequests  = size{short: 1000, variable: "HOSTILE", each: 1000} // make soak: 100,000 requests
	hostileDocuments = size{short: 100, variable: "HOSTILE", each: 100}   // make soak: 10,000 documents
	floodConnections = size{short: 300, variable: "FLOOD", each: 1}       // make hostile: 5,000 of each shape
)

// soakShort is the duration of TestSoak in `make test`. SOAK_TIME (30m in `make soak`) sets a
// longer one.
const soakShort = 15 * time.Second

// long reports whether the long size is asked for.
func (s size) long() bool { return os.Getenv(s.variable) != "" }

// count returns the number for this run.
func (s size) count(t *testing.T) int {
	t.Helper()
	if !s.long() {
		return s.short
	}
	text := os.Getenv(s.variable)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", s.variable, text)
	}
	return s.each * n
}

// soakTime returns the duration of TestSoak for this run.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("SOAK_TIME")
	if text == "" {
		return soakShort
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		t.Fatalf("SOAK_TIME is %q, want a duration", text)
	}
	return d
}
