package printable_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

func TestTruncateKeepsWholeCharacters(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 0, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"aã", 2, "a"},
		{"ãã", 1, ""},
		{"\x80\x80\x80", 2, ""},
	} {
		if got := printable.Truncate(c.in, c.limit); got != c.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}
