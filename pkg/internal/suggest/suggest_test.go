package suggest

import (
	"strings"
	"testing"
)

// TestSuggest checks which name is meant by an unknown one.
func TestSuggest(t *testing.T) {
	known := []string{"server.port", "state.folder", "remote.service.domain", "secret", "previousSecret"}
	for _, tt := range []struct{ unknown, closest, ignoringCase string }{
		{"server.prot", "server.port", ""},
		{"Server.Port", "server.port", "server.port"},
		{"state-folder", "state.folder", ""},
		{"service.domain", "remote.service.domain", ""},
		{"PREVIOUSSECRET", "previousSecret", "previousSecret"},
		{"something.else.entirely", "", ""},
		{"server.port" + strings.Repeat("x", 200), "", ""},
	} {
		if got := Closest(tt.unknown, known); got != tt.closest {
			t.Errorf("Closest(%q) = %q, want %q", tt.unknown, got, tt.closest)
		}
		if got := IgnoringCase(tt.unknown, known); got != tt.ignoringCase {
			t.Errorf("IgnoringCase(%q) = %q, want %q", tt.unknown, got, tt.ignoringCase)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"port", "prot", 2}, {"same", "same", 0}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
