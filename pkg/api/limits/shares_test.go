package limits

import "testing"

func TestShares(t *testing.T) {
	s := NewShares(10)
	for i, step := range []struct {
		client string
		n      int64
		taken  bool
	}{
		{"a", 5, true}, {"a", 1, false}, // half of all
		{"b", 4, true}, {"c", 2, false}, {"c", 1, true}, // all
		{"b", 1, false},
	} {
		if got := s.Take(step.client, step.n); got != step.taken {
			t.Errorf("step %d: take(%s, %d) = %v, want %v", i, step.client, step.n, got, step.taken)
		}
	}
	s.Give("a", 5)
	s.Give("c", 1)
	if !s.Take("b", 1) || len(s.byClient) != 1 {
		t.Errorf("what was given back is not there, or is remembered: %v", s.byClient)
	}
}
