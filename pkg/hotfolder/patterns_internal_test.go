package hotfolder

import (
	"path"
	"testing"
)

// TestPatterns compares patterns with path.Match, which defines them.
func TestPatterns(t *testing.T) {
	list := append([]string{"", "*", "**", "a*", "*a", "a*b", "?", "[ab]", "[", `\*`, `a\*`, `\*a`, "a", "?*", "*["},
		DefaultIgnored...)
	names := []string{"", "a", "b", "ab", "ba", "aab", "*", "*a", "a*", "[", "a[", ".", ".x", "~$x.doc", "x.tmp", ".tmp",
		"x.part", "x.part.minio", "x.partial", "Thumbs.db", "thumbs.db", "x.swp.pdf", "line\nbreak.tmp", "\xff.part"}
	for _, pattern := range list {
		compiled := newPatterns([]string{pattern})
		for _, name := range names {
			want, _ := path.Match(pattern, name)
			if got := compiled.match(name); got != want {
				t.Errorf("pattern %q matches %q: %v, want %v", pattern, name, got, want)
			}
		}
	}
	all := newPatterns(DefaultIgnored)
	if len(all.others) > 0 {
		t.Errorf("the default patterns %q need path.Match", all.others)
	}
	for name, want := range map[string]bool{"a.pdf": false, "a.tmp": true, "Thumbs.db": true, ".hidden": true} {
		if all.match(name) != want {
			t.Errorf("the default patterns match %q: %v", name, !want)
		}
	}
}
