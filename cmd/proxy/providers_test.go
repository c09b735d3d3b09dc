package main

import "testing"

// TestProviderKinds checks that every kind can be opened and that empty settings are refused.
func TestProviderKinds(t *testing.T) {
	for kind, settings := range providerKinds() {
		if _, ok := settings().(opener); !ok {
			t.Errorf("kind %s cannot be opened", kind)
		}
		if err := settings().Validate(); (err == nil) != (kind == "embedded") {
			t.Errorf("kind %s with nothing set: mistakes %v", kind, err)
		}
	}
}
