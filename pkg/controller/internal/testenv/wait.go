package testenv

import (
	"testing"
	"time"
)

const (
	// patience is how long a test waits for a condition. It is long, because only failing tests wait
	// until its end.
	patience = 30 * time.Second
	// pollInterval is long enough not to load the API server while a test waits.
	pollInterval = 20 * time.Millisecond
)

// Eventually calls check until it returns nil. If that does not happen within patience, the test
// fails with the last error.
func Eventually(t *testing.T, check func() error) {
	t.Helper()
	Within(t, patience, check)
}

// Within is Eventually for a condition that may take longer than others.
func Within(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("the test ends: %v", err)
		case <-time.After(pollInterval):
		}
	}
}
