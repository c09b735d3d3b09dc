package store_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// claimed returns an entry for the key "n" that this instance owns.
func claimed(n int, version uint64) *keyhome.Entry {
	key := keyhome.KeyOf("c", fmt.Sprint(n))
	return &keyhome.Entry{Claim: keyhome.Claim{Key: key, Attempt: version, Version: version}}
}

// swap changes a claim and wants that to succeed.
func swap(t *testing.T, c *store.Claims, version uint64, next *keyhome.Entry) {
	t.Helper()
	if ok, err := c.Swap(t.Context(), next.Key, version, next); err != nil || !ok {
		t.Fatalf("Swap = %v, %v", ok, err)
	}
}

// wantTotals checks the numbers for the metrics.
func wantTotals(t *testing.T, s *store.Store, claims, uncopied int64) {
	t.Helper()
	if st, err := s.Stats(t.Context()); err != nil || st.Claims != claims || st.UncopiedClaims != uncopied {
		t.Errorf("Stats = %d claims, %d uncopied, %v, want %d and %d", st.Claims, st.UncopiedClaims, err, claims, uncopied)
	}
}

// TestClaimsConform runs the conformance suite of a keyhome.Table.
func TestClaimsConform(t *testing.T) {
	keyhometest.Run(t, func(t *testing.T) func() keyhome.Table {
		var s *store.Store
		folder := t.TempDir()
		return func() keyhome.Table {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, store.Config{Folder: folder})
			return s.Claims(time.Hour)
		}
	})
}

// TestClaimTotals counts the claims, and those that no other instance has. An imported claim comes
// from another instance, also after its expiry has changed.
func TestClaimTotals(t *testing.T) {
	s := open(t, store.Config{})
	c := s.Claims(0)
	swap(t, c, 0, claimed(1, 10))
	swap(t, c, 0, claimed(2, 11))
	wantTotals(t, s, 2, 2)
	copied := claimed(1, 10)
	copied.Copied = 7
	swap(t, c, 10, copied)
	wantTotals(t, s, 2, 1)
	if _, err := c.Save(t.Context(), nil, []keyhome.Claim{claimed(2, 12).Claim, claimed(3, 13).Claim}); err != nil {
		t.Fatal(err)
	}
	wantTotals(t, s, 3, 0)
	renewed := claimed(3, 13)
	renewed.Expires = 99
	swap(t, c, 13, renewed)
	wantTotals(t, s, 3, 0)
	swap(t, c, 12, claimed(2, 14)) // granted here
	wantTotals(t, s, 3, 1)
	for version, n := range map[uint64]int{10: 1, 14: 2, 13: 3} {
		if ok, err := c.Swap(t.Context(), claimed(n, 0).Key, version, nil); err != nil || !ok {
			t.Errorf("Swap to nothing = %v, %v", ok, err)
		}
	}
	wantTotals(t, s, 0, 0)
}

// TestClaimOfAnImpossibleVersion refuses versions that no clock gives before the year 2262.
func TestClaimOfAnImpossibleVersion(t *testing.T) {
	s := open(t, store.Config{})
	c := s.Claims(0)
	bad := claimed(1, 1<<63)
	if ok, err := c.Swap(t.Context(), bad.Key, 0, bad); ok || err == nil {
		t.Errorf("Swap = %v, %v, want an error", ok, err)
	}
	if _, err := c.Save(t.Context(), nil, []keyhome.Claim{bad.Claim}); err == nil {
		t.Error("Save of an impossible version gives no error")
	}
	wantTotals(t, s, 0, 0)
}

// createKeyed creates an operation with an Idempotency-Key.
func createKeyed(t *testing.T, s *store.Store, reference, key string) signing.Operation {
	t.Helper()
	up, n := request(t, s, reference, "content")
	n.IdempotencyKey = key
	op, err := s.Create(t.Context(), up, n)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// TestHoldings knows the keys of the operations that exist. A claim outlives its operation, because
// the home of the key asks the owner before it removes the claim.
func TestHoldings(t *testing.T) {
	s := open(t, store.Config{})
	c := s.Claims(time.Hour)
	op := createKeyed(t, s, "r", "1")
	create(t, s, "without a key", "content")
	swap(t, c, 0, claimed(1, 10))
	holds := func(want bool) {
		t.Helper()
		if got, err := c.Holds(t.Context(), keyhome.KeyOf("c", "1")); err != nil || got != want {
			t.Errorf("Holds = %v, %v, want %v", got, err, want)
		}
		if got, err := c.Holds(t.Context(), keyhome.KeyOf("another client", "1")); err != nil || got {
			t.Errorf("Holds of another client = %v, %v", got, err)
		}
	}
	holds(true)
	end(t, s, op, time.Now())
	if err := s.Remove(t.Context(), op.ID); err != nil {
		t.Fatal(err)
	}
	holds(false)
	if e, ok, err := c.Get(t.Context(), keyhome.KeyOf("c", "1")); err != nil || !ok || e.Version != 10 {
		t.Errorf("Get after removal = %+v, %v, %v, want the claim", e, ok, err)
	}
}

// TestClaimsOfAnotherFolder gives another identity when the state was thrown away.
func TestClaimsOfAnotherFolder(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	before, err := s.Claims(0).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	swap(t, s.Claims(0), 0, claimed(1, 10))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Folder: folder, Recreate: true})
	after, err := s.Claims(0).Load(t.Context())
	if err != nil || before.Folder == "" || after.Folder == before.Folder || after.Version != 0 {
		t.Errorf("Load = %+v, %v, want another folder than %s", after, err, before.Folder)
	}
	wantTotals(t, s, 0, 0)
}

// TestClaimWithoutRoom refuses a claim that does not fit, and stores nothing of it.
func TestClaimWithoutRoom(t *testing.T) {
	s := open(t, store.Config{})
	c := s.Claims(0)
	swap(t, c, 0, claimed(0, 1))
	if err := s.LimitPages(t.Context(), 1); err != nil { // no more than there are
		t.Fatal(err)
	}
	stored, full := int64(1), false
	for n := 1; n < 10_000 && !full; n += 100 {
		claims := make([]keyhome.Claim, 100)
		for i := range claims {
			claims[i] = claimed(n+i, uint64(n+i)).Claim
		}
		switch _, err := c.Save(t.Context(), &keyhome.State{Clock: uint64(n)}, claims); {
		case err == nil:
			stored += 100
		case signing.KindOf(err) == signing.KindBusy:
			full = true
		default:
			t.Fatalf("Save = %v, want KindBusy", err)
		}
	}
	if !full {
		t.Fatal("the database was never full")
	}
	wantTotals(t, s, stored, 1)
	if l, err := c.Load(t.Context()); err != nil || l.State.Clock+100 != uint64(stored) && stored > 1 {
		t.Errorf("Load = %+v, %v, want the state that was saved with the last claims", l, err)
	}
	if err := s.LimitPages(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	swap(t, c, 0, claimed(20_000, 20_000))
}

// TestClaimsShareAnFsync commits the claims that were queued together in one transaction.
func TestClaimsShareAnFsync(t *testing.T) {
	commits := make(chan struct{}, 100)
	var cfg store.Config
	cfg.OnStep(func(step string) {
		if step == "committed" {
			commits <- struct{}{}
		}
	})
	s := open(t, cfg)
	c := s.Claims(0)
	release := s.Hold(t.Context())
	const claims = 20
	done := make(chan error, claims)
	for n := range claims {
		go func() {
			_, err := c.Swap(t.Context(), claimed(n, 1).Key, 0, claimed(n, 1))
			done <- err
		}()
	}
	for s.Queued() < claims {
		runtime.Gosched() // nothing tells when a goroutine has queued
	}
	for len(commits) > 0 {
		<-commits
	}
	release()
	for range claims {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := len(commits); got > 2 { // that of Hold, and one for all claims
		t.Errorf("%d claims took %d commits, want 1", claims, got-1)
	}
}

// TestKeysWithoutKeyHomes creates operations while no key homes are used: no key is shared yet, or
// there is one instance. Their keys are claimed when key homes are used.
func TestKeysWithoutKeyHomes(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Config{Folder: folder})
	createKeyed(t, s, "r1", "1")
	createKeyed(t, s, "r2", "2")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Config{Folder: folder})
	c := s.Claims(time.Hour)
	createKeyed(t, s, "r3", "3")
	if _, err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTotals(t, s, 2, 0) // the home of the third key has its claim
	for _, key := range []string{"1", "2"} {
		if e, ok, err := c.Get(t.Context(), keyhome.KeyOf("c", key)); err != nil || !ok || e.Owner != 0 {
			t.Errorf("claim of key %s = %+v, %v, %v", key, e, ok, err)
		}
	}
}
