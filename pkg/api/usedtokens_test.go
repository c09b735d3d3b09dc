package api

import (
	"strconv"
	"testing"
	"time"
)

func TestUsedTokens(t *testing.T) {
	var u usedTokens
	now := time.Unix(1_000_000, 0)
	first := func(id string, want bool) {
		t.Helper()
		if known, noted := u.note(id, now); known == want || noted != want {
			t.Errorf("note(%s) at %v = %v, %v, want it new: %v", id, now, known, noted, want)
		}
	}
	first("a", true)
	first("a", false)
	now = now.Add(usedFor - time.Second)
	first("b", true)
	first("a", false)
	now = now.Add(time.Second) // a new stretch
	first("a", false)
	first("b", false)
	now = now.Add(usedFor - time.Second)
	first("b", false)
	now = now.Add(time.Second)
	first("b", true) // it cannot be used any more
	now = now.Add(time.Hour)
	first("b", true)
}

// TestUsedTokensAreBounded checks that a token which cannot be remembered is told apart from a new
// one and from a used one.
func TestUsedTokensAreBounded(t *testing.T) {
	var u usedTokens
	now := time.Unix(1_000_000, 0)
	for i := range maxUsed {
		u.note(strconv.Itoa(i), now)
	}
	if known, noted := u.note("one more", now); known || noted || len(u.now) != maxUsed {
		t.Errorf("note beyond the bound = %v, %v, and %d are remembered", known, noted, len(u.now))
	}
	if known, _ := u.note("0", now); !known {
		t.Error("a token that is remembered is not known")
	}
}
