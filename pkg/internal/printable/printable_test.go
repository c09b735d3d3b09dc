package printable_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"não aceite", 10, "não aceite"},
		{"two\r\nlines\x1b[31m", 100, "two  lines [31m"},
		{"left\u202eright", 100, "left right"},
		{"\xff\xfea\x00", 10, "a"},
		{"ããããã", 5, "ããããã"},
		{"ããããã!", 5, "ããããã…"},
	} {
		if got := printable.Text(c.in, c.limit); got != c.want {
			t.Errorf("Text(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}
