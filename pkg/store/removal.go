package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Remove implements signing.Records.
func (sw *sweeper) Remove(ctx context.Context, id signing.ID) error {
	sw.sweeping.Lock() // a sweep may have chosen the same operation
	defer sw.sweeping.Unlock()
	e, ended := expired{id: id}, false
	err := sw.db.read.QueryRowContext(
		ctx,
		"SELECT document_count, bytes, is_ended FROM operations WHERE id = ?",
		int64(id),
	).Scan(
		&e.count,
		&e.bytes,
		&ended,
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return signing.Errorf(signing.KindNotFound, "no operation with id %s", id)
	case err != nil:
		return storageError("read operation", err)
	case !ended:
		return signing.ErrConflict
	}
	_, err = sw.removeAll(ctx, []expired{e})
	return intakeError("remove operation", err) // a full disk: busy, the owner may come again
}

// removeAll removes operations that have ended, which is for good: rows first, because a row
// without a file is a lie. The table of removed operations tells the next start which files have no
// row because they were removed. unmade is how many callbacks went with them. s.sweeping must be
// held.
func (sw *sweeper) removeAll(ctx context.Context, batch []expired) (unmade int64, err error) {
	err = sw.db.do(ctx, 0, func(t *tx) error {
		unmade = 0 // a transaction may be tried twice
		if _, err := t.exec(
			"DELETE FROM removed WHERE id IN (SELECT value FROM json_each(?))",
			idList(sw.unlinked),
		); err != nil {
			return fmt.Errorf("forget removed operations: %w", err)
		}
		for _, e := range batch {
			n, err := t.remove(e)
			if err != nil {
				return err
			}
			unmade += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	sw.unlinked = sw.unlinked[:0]
	sw.db.step("sweep: rows deleted")
	for _, e := range batch {
		sw.space.stored.Add(-e.bytes)
		if err := sw.files.removeOperation(e.id); err != nil {
			sw.log.Error(err, "documents could not be removed; the next start will", "operation", e.id)
			continue
		}
		sw.unlinked = append(sw.unlinked, int64(e.id))
	}
	return unmade, nil
}
