package main

import "testing"

// TestFleet checks that a crash refuses only the keys of the missing instance, and a rolling update
// refuses none.
func TestFleet(t *testing.T) {
	r, err := simulateFleet(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	if r.crashesAfter == 0 || r.crashesAfter > r.crashesBefore/2 || r.updateAfter != 0 || r.askedAfter > 1 {
		t.Errorf("figures are not as expected: %+v", r)
	}
}
