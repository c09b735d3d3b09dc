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
	const query = "SELECT document_count, bytes, is_ended FROM operations WHERE id = ?"
	err := sw.db.read.QueryRowContext(ctx, query, int64(id)).Scan(&e.count, &e.bytes, &ended)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return signing.Errorf(signing.KindNotFound, "no operation with id %s", id)
	case err != nil:
		return storageError("read operation", err)
	case !ended:
		return signing.ErrConflict
	}
	_, err = sw.removeAll(ctx, []expired{e})
	return intakeError("remove operation", err) // KindBusy on a full disk, because the owner may retry
}

// removeAll removes ended operations permanently. It deletes the rows first, because a row without
// a file would promise documents that do not exist. The table removed tells the next start which
// files have no row because they were removed. It returns how many callbacks were deleted before
// they were made. sw.sweeping must be held.
func (sw *sweeper) removeAll(ctx context.Context, batch []expired) (callbacks int64, err error) {
	const forget = "DELETE FROM removed WHERE id IN (SELECT value FROM json_each(?))"
	err = sw.db.do(ctx, 0, func(t *tx) error {
		callbacks = 0 // a transaction may run twice
		if _, err := t.exec(forget, idList(sw.unlinked)); err != nil {
			return fmt.Errorf("delete records of removed operations: %w", err)
		}
		for _, e := range batch {
			n, err := t.remove(e)
			if err != nil {
				return err
			}
			callbacks += n
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
			sw.log.Error(err, "could not remove the documents of a removed operation; the next start will", "operation", e.id)
			continue
		}
		sw.unlinked = append(sw.unlinked, int64(e.id))
	}
	return callbacks, nil
}
