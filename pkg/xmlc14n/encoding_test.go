package xmlc14n

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// TestPages compares every character of every encoding with one byte for each with the judges.
// Where a byte has no character, the document is refused.
func TestPages(t *testing.T) {
	asked := judges(t)
	for e, table := range pages {
		head := []byte(`<?xml version="1.0" encoding="` + e.String() + `"?><a>`)
		doc := bytes.Clone(head)
		want := "<a>"
		for b := utf8.RuneSelf; b < 256; b++ {
			if table[b] < 0 {
				bad := append(append(bytes.Clone(head), byte(b)), "</a>"...)
				if _, err := canonical(bad, Config{}); err == nil {
					t.Errorf("%s: byte %#x is accepted", e, b)
				}
				continue
			}
			doc = append(doc, byte(b))
			want += string(table[b])
		}
		doc, want = append(doc, "</a>"...), want+"</a>"
		if got, err := canonical(doc, Config{}); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", e, got, err, want)
		}
		for name, j := range asked {
			if got, ok := j.ask(t, request{doc: doc}); !ok || string(got) != want {
				t.Errorf("%s: %s accepts: %v\n%s", e, name, ok, difference([]byte(want), got))
			}
		}
	}
}
