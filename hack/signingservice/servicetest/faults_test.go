package servicetest_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
)

// TestSignHashFaultsAreComplete checks that the table has each misbehaviour once.
func TestSignHashFaultsAreComplete(t *testing.T) {
	seen := make(map[service.Misbehaviour]int)
	for _, f := range servicetest.SignHashFaults() {
		seen[f.Misbehaviour]++
	}
	for _, r := range service.Misbehaviours() {
		if seen[r] != 1 {
			t.Errorf("%s is in the table %d times, want once", r, seen[r])
		}
		delete(seen, r)
	}
	if len(seen) > 0 {
		t.Errorf("the table has unknown misbehaviours: %v", seen)
	}
}
