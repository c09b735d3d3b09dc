package filewatch_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
)

// TestLastGood reports each version and each error once, and keeps the last good value when the
// file is broken or holds no value.
func TestLastGood(t *testing.T) {
	var content string
	var fault error
	decodes := 0
	l := filewatch.NewLastGood(
		func() ([]byte, error) { return []byte(content), fault },
		func(data []byte) (*int, error) {
			decodes++
			if len(data) == 0 {
				return nil, nil
			}
			n, err := strconv.Atoi(string(data))
			return &n, err
		},
	)
	if l.Value() != nil {
		t.Fatal("Value before the first Reload is not nil")
	}
	unreadable := errors.New("unreadable")
	steps := []struct {
		content string
		fault   error
		changed bool
		wrong   bool // Reload returns an error
		decodes int
		value   int // 0 = nil
	}{
		{"", nil, false, false, 1, 0}, // even an empty file is decoded once
		{"", nil, false, false, 1, 0},
		{"1", nil, true, false, 2, 1},
		{"1", nil, false, false, 2, 1},
		{"x", nil, false, true, 3, 1},
		{"x", nil, false, false, 3, 1}, // the same error is not reported again
		{"", unreadable, false, true, 3, 1},
		{"", unreadable, false, false, 3, 1},
		{"1", nil, true, false, 4, 1}, // good again: the error ended
		{"2", nil, true, false, 5, 2},
	}
	for i, s := range steps {
		content, fault = s.content, s.fault
		changed, err := l.Reload()
		if changed != s.changed || (err != nil) != s.wrong || decodes != s.decodes {
			t.Errorf("step %d: Reload = %v, %v after %d decodes; want %v, error %v after %d",
				i, changed, err, decodes, s.changed, s.wrong, s.decodes)
		}
		got := 0
		if v := l.Value(); v != nil {
			got = *v
		}
		if got != s.value {
			t.Errorf("step %d: Value = %d, want %d", i, got, s.value)
		}
	}
}
