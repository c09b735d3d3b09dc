package store_test

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// TestRemaining counts what clients still expect. Fetched results count as fetched at once, and
// after the folder was closed and opened again, whether retention depends on that or not.
func TestRemaining(t *testing.T) {
	for name, retention := range map[string]store.Retention{
		"recorded later": {}, "recorded at once": {Fetched: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := store.Config{Folder: t.TempDir(), Retention: retention}
			s := open(t, cfg)
			up, n := request(t, s, "one", "a")
			n.Callback = "https://a.example"
			one, err := s.Create(t.Context(), up, n)
			if err != nil {
				t.Fatal(err)
			}
			two, running := create(t, s, "two", "a"), create(t, s, "running", "a")
			wantRemaining(t, s, store.Remaining{Operations: 3})
			end(t, s, one, time.Now())
			end(t, s, two, time.Now())
			wantRemaining(t, s, store.Remaining{Operations: 1, Results: 2, Callbacks: 1})
			for _, op := range []signing.Operation{one, running, one} { // an operation that has not ended has no results
				if err := s.Fetched(t.Context(), op.ID); err != nil {
					t.Fatal(err)
				}
			}
			wantRemaining(t, s, store.Remaining{Operations: 1, Results: 1, Callbacks: 1})
			if err := s.Fetched(t.Context(), two.ID); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, cfg)
			wantRemaining(t, s, store.Remaining{Operations: 1, Callbacks: 1})
		})
	}
}

func wantRemaining(t *testing.T, s *store.Store, want store.Remaining) {
	t.Helper()
	if got, err := s.Remaining(t.Context()); got != want || err != nil {
		t.Errorf("Remaining = %+v, %v, want %+v", got, err, want)
	}
}

// TestManyFetchesAreRecorded: fetches that are recorded later take bounded memory.
func TestManyFetchesAreRecorded(t *testing.T) {
	s := open(t, store.Config{})
	op := create(t, s, "one", "a")
	end(t, s, op, time.Now())
	for i := range signing.ID(5000) {
		if err := s.Fetched(t.Context(), op.ID+i); err != nil {
			t.Fatal(err)
		}
	}
	if held := s.HeldFetches(); held > 1000 {
		t.Errorf("%d fetches are held in memory, want 1000 at most", held)
	}
	wantRemaining(t, s, store.Remaining{})
}
