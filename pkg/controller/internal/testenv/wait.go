package testenv

import (
	"testing"
	"time"
)

const (
	// patience is how long the world may take to become as a test wants it: long, since it is only
	// used up by tests that fail.
	patience = 30 * time.Second
	// pollInterval keeps the API server unburdened while a test waits.
	pollInterval = 20 * time.Millisecond
)

// Eventually calls check until it returns nil. When patience ends, the test fails with the last
// error.
func Eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", patience, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("the test ends: %v", err)
		case <-time.After(pollInterval):
		}
	}
}
