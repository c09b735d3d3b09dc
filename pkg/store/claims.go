package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Claims keeps the claims and the state of the key homes of this instance, and knows which of its
// operations have a key. It writes like the rest of the store: concurrent changes share an fsync,
// and a change is durable when the method returns. On a full disk a change is KindBusy and nothing
// of it is stored. It is safe for concurrent use.
type Claims struct {
	db       *database
	folder   string        // identity of the state folder
	ordinal  int           // of this instance
	lifetime time.Duration // of the claims for operations that nobody has claimed; 0 = for ever
}

var (
	_ keyhome.Table    = (*Claims)(nil)
	_ keyhome.Holdings = (*Claims)(nil)
)

const (
	// claimBytes estimates the bytes that a claim adds to the WAL.
	claimBytes = 200
	// swapPage is how many changes share a transaction. Other writes wait for it about as long as for
	// an fsync.
	swapPage = 200
)

// Claims returns the table of claims. lifetime is the Lifetime of keyhome.Config. It is the time
// after which the claims for operations that nobody has claimed are checked for the first time.
// Call it before operations are created: the operations of a store without it have no claims, until
// the next Load adds them.
func (s *Store) Claims(lifetime time.Duration) *Claims {
	s.intake.claimed.Store(true)
	return &Claims{db: s.db, folder: s.folder.Instance, ordinal: s.intake.ordinal, lifetime: lifetime}
}

// Load implements keyhome.Table. After an upgrade, or after a time without key homes, it first adds
// the claims for the operations that were created without one, some thousand a second. If it is
// interrupted, the next call continues.
func (c *Claims) Load(ctx context.Context) (l keyhome.Loaded, err error) {
	if err := c.claimHeld(ctx); err != nil {
		return l, err
	}
	l.Folder = c.folder
	var state string
	var version int64
	if err := c.db.queries.keyState.QueryRow().Scan(&state, &version); err != nil {
		return l, storageError("read state of key homes", err)
	}
	l.Version = uint64(version)
	if state == "" {
		return l, nil
	}
	if err := json.Unmarshal([]byte(state), &l.State); err != nil {
		return l, storageError("decode state of key homes", err)
	}
	return l, nil
}

// Save implements keyhome.Table.
func (c *Claims) Save(ctx context.Context, s *keyhome.State, claims []keyhome.Claim) (position int64, err error) {
	var state []byte
	if s != nil {
		if state, err = json.Marshal(s); err != nil {
			return 0, fmt.Errorf("encode state of key homes: %w", err)
		}
	}
	for i := range claims {
		if err := checkVersion(claims[i].Version); err != nil {
			return 0, err
		}
	}
	err = c.db.do(ctx, len(state)+len(claims)*claimBytes, func(t *tx) (err error) {
		if s != nil {
			if err := t.mustChange(1, "UPDATE key_state SET state = ?", string(state)); err != nil {
				return fmt.Errorf("write state of key homes: %w", err)
			}
		}
		for i := range claims {
			if err := t.importClaim(&claims[i]); err != nil {
				return err
			}
		}
		position, err = t.lastPosition()
		return err
	})
	return position, createError(err)
}

// Get implements keyhome.Table.
func (c *Claims) Get(ctx context.Context, key keyhome.Key) (e keyhome.Entry, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return e, false, err
	}
	e, err = scanClaim(c.db.queries.claim.QueryRow(key[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return keyhome.Entry{}, false, nil
	}
	return e, err == nil, storageError("read claim", err)
}

// Swap implements keyhome.Table.
func (c *Claims) Swap(
	ctx context.Context, key keyhome.Key, version uint64, next *keyhome.Entry,
) (swapped bool, err error) {
	if next != nil {
		if err := checkVersion(next.Version); err != nil {
			return false, err
		}
	}
	err = c.db.do(ctx, claimBytes, func(t *tx) (err error) {
		swapped, err = t.swapClaim(key, version, next)
		return err
	})
	return swapped && err == nil, createError(err)
}

// SwapAll implements keyhome.Table. Up to swapPage changes share a transaction.
func (c *Claims) SwapAll(ctx context.Context, changes []keyhome.Change) error {
	for page := range slices.Chunk(changes, swapPage) {
		for _, change := range page {
			if change.Next == nil {
				continue
			}
			if err := checkVersion(change.Next.Version); err != nil {
				return err
			}
		}
		err := c.db.do(ctx, len(page)*claimBytes, func(t *tx) error {
			for _, change := range page {
				if _, err := t.swapClaim(change.Key, change.Version, change.Next); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return createError(err)
		}
	}
	return nil
}

// Page implements keyhome.Table.
func (c *Claims) Page(ctx context.Context, after int64, limit int) ([]keyhome.Entry, error) {
	return collect(ctx, c.db.queries.claimPage, scanClaim, after, limit)
}

// Holds implements keyhome.Holdings. It finds the operations of earlier releases only after Load.
func (c *Claims) Holds(ctx context.Context, key keyhome.Key) (holds bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = c.db.queries.holds.QueryRow(key[:]).Scan(&holds)
	return holds, storageError("look for operation", err)
}

// checkVersion refuses a version that SQLite would store as a negative number. No clock gives such
// a version before the year 2262.
func checkVersion(version uint64) error {
	if version > math.MaxInt64 {
		return fmt.Errorf("the version %d of a claim is out of range", version)
	}
	return nil
}

// scanClaim reads an entry from the columns claimColumns.
func scanClaim(r row) (e keyhome.Entry, err error) {
	var key, fingerprint []byte
	var attempt, version, copied int64
	err = r.Scan(&e.Position, &key, &e.Owner, &attempt, &fingerprint, &e.Expires, &version, &copied)
	copy(e.Key[:], key)
	copy(e.Fingerprint[:], fingerprint)
	e.Attempt, e.Version, e.Copied = uint64(attempt), uint64(version), uint64(copied)
	return e, err
}

// swapClaim is Claims.Swap within the transaction.
func (t *tx) swapClaim(key keyhome.Key, version uint64, next *keyhome.Entry) (swapped bool, err error) {
	switch {
	case next == nil && version == 0:
		var exists bool
		err = t.get("SELECT EXISTS (SELECT 1 FROM claims WHERE key = ?)", []any{key[:]}, &exists)
		return !exists, err
	case next != nil && next.Version == version:
		return t.changeClaim(key, next)
	case version != 0:
		swapped, err = t.deleteClaim(key, version)
		if err != nil || !swapped || next == nil {
			return swapped, err
		}
	}
	claim := next.Claim
	claim.Key = key
	return t.insertClaim(&claim, int64(next.Copied))
}

// changeClaim changes an entry whose version stays. A claim that was imported stays marked as
// imported until it is copied.
func (t *tx) changeClaim(key keyhome.Key, next *keyhome.Entry) (changed bool, err error) {
	rows, err := t.exec(
		`UPDATE claims SET owner = ?, attempt = ?, fingerprint = ?, expires = ?,
		copied = CASE WHEN ?5 = 0 AND copied IS NULL THEN NULL ELSE ?5 END WHERE key = ? AND version = ?`,
		next.Owner, int64(next.Attempt), next.Fingerprint[:], next.Expires, int64(next.Copied), key[:], int64(next.Version),
	)
	if err != nil {
		return false, fmt.Errorf("change claim: %w", err)
	}
	return rows == 1, nil
}

// deleteClaim removes the claim of a key if it has that version.
func (t *tx) deleteClaim(key keyhome.Key, version uint64) (deleted bool, err error) {
	rows, err := t.exec("DELETE FROM claims WHERE key = ? AND version = ?", key[:], int64(version))
	if err != nil {
		return false, fmt.Errorf("delete claim: %w", err)
	}
	return rows == 1, nil
}

// insertClaim adds a claim at a new position unless its key has one. copied is the column of that
// name.
func (t *tx) insertClaim(c *keyhome.Claim, copied any) (inserted bool, err error) {
	rows, err := t.exec(
		`INSERT INTO claims (key, owner, attempt, fingerprint, expires, version, copied)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING`,
		c.Key[:], c.Owner, int64(c.Attempt), c.Fingerprint[:], c.Expires, int64(c.Version), copied,
	)
	if err != nil {
		return false, fmt.Errorf("insert claim: %w", err)
	}
	return rows == 1, nil
}

// importClaim adds a claim that another instance has too, unless the entry of its key is as new.
func (t *tx) importClaim(c *keyhome.Claim) error {
	if _, err := t.exec("DELETE FROM claims WHERE key = ? AND version < ?", c.Key[:], int64(c.Version)); err != nil {
		return fmt.Errorf("delete older claim: %w", err)
	}
	_, err := t.insertClaim(c, nil)
	return err
}

// lastPosition returns the last position that a claim ever got; 0 = none.
func (t *tx) lastPosition() (position int64, err error) {
	err = t.get("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'claims'", nil, &position)
	if err != nil {
		return 0, fmt.Errorf("read last position of claims: %w", err)
	}
	return position, nil
}

// noteUnclaimed records that an operation with a key was created without a claim.
func (t *tx) noteUnclaimed(id signing.ID) error {
	return t.mustChange(1, "UPDATE key_state SET unfilled = max(unfilled, ?)", int64(id))
}

// heldOperation is an operation with a key that may have been created without a claim.
type heldOperation struct {
	id      signing.ID
	key     keyhome.Key
	created int64
}

// heldPage is how many operations one transaction of claimHeld changes. Other writes wait for it
// about as long as for an fsync.
const heldPage = 200

// claimHeld fills operations.key_digest of the operations that were created without key homes, and
// adds a claim for each of them, the newest first. One transaction changes heldPage operations and
// records how far it came in key_state.unfilled, so a crash loses nothing and repeats nothing.
func (c *Claims) claimHeld(ctx context.Context) error {
	for {
		var unfilled int64
		if err := c.db.queries.unfilled.QueryRow().Scan(&unfilled); err != nil {
			return storageError("read state of key homes", err)
		}
		if unfilled == 0 {
			return nil
		}
		page, err := collect(ctx, c.db.queries.held, scanHeld, unfilled, heldPage)
		if err != nil {
			return err
		}
		next := int64(0)
		if len(page) == heldPage {
			next = int64(page[heldPage-1].id) - 1
		}
		err = c.db.do(ctx, heldPage*claimBytes, func(t *tx) error { return c.claimPage(t, page, next) })
		if err != nil {
			return createError(err)
		}
		c.db.step("held operations claimed")
	}
}

func scanHeld(r row) (o heldOperation, err error) {
	var client, key string
	err = r.Scan(&o.id, &client, &key, &o.created)
	o.key = keyhome.KeyOf(client, key)
	return o, err
}

// claimPage adds the claims of a page. An operation that was removed meanwhile gets none. The
// fingerprint stays unknown, and attempt 0 is before each attempt of this instance.
func (c *Claims) claimPage(t *tx, page []heldOperation, unfilled int64) error {
	expires := int64(0)
	if c.lifetime > 0 {
		expires = time.Now().Add(c.lifetime).Unix()
	}
	for _, o := range page {
		rows, err := t.exec("UPDATE operations SET key_digest = ? WHERE id = ?", o.key[:], int64(o.id))
		if err != nil {
			return fmt.Errorf("write digest of a key: %w", err)
		}
		if rows == 0 {
			continue
		}
		version := keyhome.HeldVersion(fromNanos(o.created))
		claim := keyhome.Claim{Key: o.key, Owner: c.ordinal, Expires: expires, Version: version}
		if err := t.importClaim(&claim); err != nil {
			return err
		}
	}
	return t.mustChange(1, "UPDATE key_state SET unfilled = ?", unfilled)
}
