package kube

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestNote checks that a short text is kept, and that a long one is cut between two characters and
// fits into an event.
func TestNote(t *testing.T) {
	for _, text := range []string{"", "gone", strings.Repeat("x", maxNoteBytes)} {
		if got := Note(text); got != text {
			t.Errorf("Note(%q) = %q, want the text itself", text, got)
		}
	}
	for _, text := range []string{strings.Repeat("x", 2000), "x" + strings.Repeat("é", 1000)} {
		got := Note(text)
		if !utf8.ValidString(got) || !strings.HasSuffix(got, "…") || len(got) < maxNoteBytes || len(got) > 1024 {
			t.Errorf("Note of %d bytes = %q (%d bytes), want it cut between characters", len(text), got, len(got))
		}
	}
}
