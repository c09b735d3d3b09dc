package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestEarlierIDs notices that the volume is new although the ordinal is not, when a client asks for
// an operation of the old volume. It warns once and counts.
func TestEarlierIDs(t *testing.T) {
	var log strings.Builder
	s := open(t,
		store.Config{Ordinal: 7, Log: funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})})
	ask := func(sequence int64, ordinal int) {
		t.Helper()
		if _, err := s.Operation(t.Context(), signing.NewID(sequence, ordinal)); signing.KindOf(err) != signing.KindNotFound {
			t.Errorf("Operation = %v, want %s", err, signing.KindNotFound)
		}
	}
	want := func(when string, n int64, warnings int) {
		t.Helper()
		st, err := s.Stats(t.Context())
		if got := strings.Count(log.String(), "WARNING"); err != nil || st.EarlierIDs != n || got != warnings {
			t.Errorf("%s: %d earlier ids, %d warnings, %v, want %d and %d", when, st.EarlierIDs, got, err, n, warnings)
		}
	}
	before := time.Now().Add(-time.Hour).UnixMilli()
	ask(before, 8)                                // of another instance
	ask(time.Now().Add(time.Hour).UnixMilli(), 7) // of this folder: never assigned, or removed
	ask(1, 7)                                     // invented by the client
	end(t, s, create(t, s, "r", "a"), time.Now())
	want("at first", 0, 0)
	ask(before, 7)
	ask(before+1, 7)
	want("after operations of another volume", 2, 1)
}
