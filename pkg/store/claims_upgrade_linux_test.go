package store_test

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// versionSevenFolder makes a state folder as a release with version 7 of the database wrote it. It
// holds n operations with the keys "1" to "n", and one without a key.
func versionSevenFolder(t *testing.T, n int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	s := open(t, store.Config{Folder: folder})
	first := createKeyed(t, s, "r1", "1")
	create(t, s, "without a key", "content")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alter(t, folder, versionSeven+fmt.Sprintf(`
		WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d)
		INSERT INTO operations (id, client_service, external_reference, description, preservation, return_content,
			idempotency_key, fingerprint, status, created, ended, is_ended, document_count, bytes)
		SELECT id - n * 10240, client_service, 'r' || n, '', '', 0, n, fingerprint, 'EXECUTED', created - n, created, 1, 0, 0
			FROM operations, numbers WHERE id = %d AND %d > 1;
		PRAGMA user_version = 7`, n, first.ID, n))
	return folder
}

// wantHeld checks that each key "1" to "n" has a claim of this instance and an operation.
func wantHeld(t *testing.T, c *store.Claims, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		key := keyhome.KeyOf("c", fmt.Sprint(i))
		e, ok, err := c.Get(t.Context(), key)
		if err != nil || !ok || e.Owner != 0 || e.Attempt != 0 || e.Version < uint64(time.Hour) || e.Expires == 0 {
			t.Fatalf("claim of key %d = %+v, %v, %v", i, e, ok, err)
		}
		if holds, err := c.Holds(t.Context(), key); err != nil || !holds {
			t.Fatalf("Holds of key %d = %v, %v", i, holds, err)
		}
	}
}

// TestUpgradeOfKeys claims the keys of the operations that an earlier release has created. It does
// that once, and keeps a claim that is newer.
func TestUpgradeOfKeys(t *testing.T) {
	const operations = 450 // more than two pages
	folder := versionSevenFolder(t, operations)
	s := open(t, store.Config{Folder: folder})
	c := s.Claims(time.Hour)
	newer := claimed(7, uint64(time.Now().Add(time.Hour).UnixNano()))
	swap(t, c, 0, newer)
	createKeyed(t, s, "new", "new")
	for range 2 {
		l, err := c.Load(t.Context())
		if err != nil || l.State.Standing != keyhome.Joining || l.Version != newer.Version {
			t.Errorf("Load = %+v, %v, want a joining instance and version %d", l, err, newer.Version)
		}
	}
	wantTotals(t, s, operations, 1) // the operation of this release has no claim, because nobody has claimed it
	if e, _, err := c.Get(t.Context(), newer.Key); err != nil || e.Version != newer.Version {
		t.Errorf("Get = %+v, %v, want the newer claim", e, err)
	}
	if ok, err := c.Swap(t.Context(), newer.Key, newer.Version, nil); err != nil || !ok {
		t.Fatalf("Swap = %v, %v", ok, err)
	}
	if _, err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTotals(t, s, operations-1, 0) // a released claim does not come back
	old := versionSevenFolder(t, 3)
	s = open(t, store.Config{Folder: old})
	c = s.Claims(time.Hour)
	if _, err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, c, 3)
}

// TestUpgradeOfRemovedKeys claims no key of an operation that was removed before its turn.
func TestUpgradeOfRemovedKeys(t *testing.T) {
	s := open(t, store.Config{Folder: versionSevenFolder(t, 1)})
	ops, err := s.FindByReference(t.Context(), "c", "r1")
	if err != nil || len(ops) != 1 {
		t.Fatalf("FindByReference = %v, %v", ops, err)
	}
	end(t, s, ops[0], time.Now())
	if err := s.Remove(t.Context(), ops[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claims(time.Hour).Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTotals(t, s, 0, 0)
}

// loadHelper loads the claims and is killed after the first page of an upgrade.
func loadHelper() error {
	ctx := context.Background()
	cfg := store.Config{Folder: os.Getenv("STORE_TEST_FOLDER"), LockWait: 10 * time.Second}
	cfg.OnStep(func(step string) {
		if step == "held operations claimed" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	s, err := store.Open(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = s.Claims(time.Hour).Load(ctx)
	return err
}

// TestKillDuringUpgradeOfKeys continues an upgrade that a crash has interrupted. Each start gets at
// least one page further.
func TestKillDuringUpgradeOfKeys(t *testing.T) {
	const operations = 450
	folder := versionSevenFolder(t, operations)
	for round, want := range []int64{200, 400} {
		if err := helper(t, "load", "STORE_TEST_FOLDER="+folder).Run(); err == nil {
			t.Fatalf("round %d: the helper was not killed", round)
		}
		s := open(t, store.Config{Folder: folder})
		wantTotals(t, s, want, 0)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, store.Config{Folder: folder})
	c := s.Claims(time.Hour)
	if _, err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, c, operations)
}
