package main

import (
	"strings"
	"testing"
)

// TestPrepareTellsTwice checks that a second start prints again how to use the proxy, and that the
// secret stays.
func TestPrepareTellsTwice(t *testing.T) {
	work := t.TempDir()
	var first, second strings.Builder
	if err := prepareWork(&first, work); err != nil {
		t.Fatal(err)
	}
	if err := prepareWork(&second, work); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() || !strings.Contains(first.String(), "--client-id "+clientID) {
		t.Errorf("first:\n%s\nsecond:\n%s\nwant the same, with the id", &first, &second)
	}
}
