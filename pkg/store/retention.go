package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// sweepEvery is how often Run looks for what is to be removed. Retention is counted in hours: a
	// minute is exact enough.
	sweepEvery = time.Minute
	// sweepBatch is how many operations are removed in one transaction.
	sweepBatch = 16
	// sweepAbove is the part of Retention.MaxBytes at which a sweep begins, so that no upload has to
	// wait for one, and sweepBelow that at which it ends, so that the next one is not due at once.
	sweepAbove = 0.95
	sweepBelow = 0.9
	// diskShare is the part of the disk that Retention.MaxBytes is cut to: the rest is for the audit
	// record, the database's own log and free pages, what file systems keep for themselves, and
	// Config.MinFree.
	diskShare = 0.8
	// othersShare is the part of a small disk that is kept for others than documents beside
	// Config.MinFree.
	othersShare = 0.1
	// fetchTime is how long an ended operation is kept although there is too much: somebody is about
	// to fetch its documents.
	fetchTime = time.Minute
)

// full returns KindBusy if nothing more may come in as things are. It removes nothing; close to
// Retention.MaxBytes it has Run do so.
func (s *Store) full() error {
	if err := s.folderGone(); err != nil {
		return err
	}
	left := int64(math.MaxInt64)
	if limit := s.limit(); limit > 0 {
		used := s.used()
		if used >= share(limit, sweepAbove) {
			s.wakeSweep()
		}
		if left = limit - used; left <= 0 {
			return signing.Errorf(signing.KindBusy, "storage limit is reached").Retryable(busyRetry)
		}
	}
	if s.cfg.MinFree >= 0 {
		free, err := freeBytes(s.cfg.Folder)
		if err != nil {
			return storageError("read free space", err)
		}
		if free < s.cfg.MinFree {
			return signing.Errorf(signing.KindBusy, "storage is full").Retryable(busyRetry)
		}
		left = min(left, free-s.cfg.MinFree)
	}
	s.left.Store(left)
	return nil
}

// room is full for what comes in: at Retention.MaxBytes it removes first what may go.
func (s *Store) room(ctx context.Context) error {
	if err := s.makeRoom(ctx); err != nil {
		s.log.Error(err, "no room could be made")
	}
	return s.full()
}

// makeRoom removes ended operations until Retention.MaxBytes is not reached any more: Run does the
// rest. It waits for nobody who is at it already: a request that waits holds its place among those
// that are served at a time, also against those that read.
func (s *Store) makeRoom(ctx context.Context) error {
	limit := s.limit()
	for limit > 0 && s.used() >= limit && s.sweeping.TryLock() {
		n, err := s.sweepSome(ctx, limit-1)
		s.sweeping.Unlock()
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// limit is Retention.MaxBytes, or what the disk allows where that is less; 0 = no limit. A limit
// that the disk does not hold would never be reached: then old results would stay, and new
// documents be refused for want of free space, until Retention.Age. On a small disk it is
// Config.MinFree that counts: it must stay free.
func (s *Store) limit() int64 {
	limit := s.cfg.Retention.MaxBytes
	if limit <= 0 {
		return 0
	}
	if size, err := s.diskBytes(s.cfg.Folder); err == nil {
		limit = min(limit, share(size, diskShare))
		if room := share(size, 1-othersShare) - s.cfg.MinFree; s.cfg.MinFree > 0 && room > 0 {
			limit = min(limit, room)
		}
	}
	return limit
}

func share(limit int64, part float64) int64 { return int64(float64(limit) * part) }

// used is what counts against Retention.MaxBytes.
func (s *Store) used() int64 { return s.stored.Load() + s.uploading.Load() + s.usedMetadata() }

// usedMetadata is what the database holds. Its free pages are left out, since they take what comes
// next, and so is the WAL, which is of bounded size: a sweep that counted them would see no effect
// of what it removes, and remove all.
func (s *Store) usedMetadata() int64 {
	var pages, free, size int64
	if err := s.queries.pages.QueryRow().Scan(&pages, &free, &size); err != nil {
		return s.metadataBytes() // rather too much
	}
	return (pages - free) * size
}

// wakeSweep has Run sweep now.
func (s *Store) wakeSweep() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}

// Run sweeps now and then, and when much is in use, until ctx is done.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Error(err, "sweep did not end")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.writer.markAsked.Store(true) // with the next write
		case <-s.wake:
		}
	}
}

// Sweep removes ended operations that are older than Retention.Age, those whose results were
// fetched Retention.Fetched ago, and, while nearly Retention.MaxBytes are used, those that ended
// first of the client services that use most. It gives space in the database back. It returns how
// many operations were removed. Operations that are being read are left alone; documents stay
// readable to whoever opened them.
func (s *Store) Sweep(ctx context.Context) (removed int, err error) {
	if err := s.settleDoubtful(ctx); err != nil {
		return 0, err
	}
	s.recordTime(ctx)
	keep := s.keepBytes()
	for n := 1; n > 0 && err == nil && ctx.Err() == nil; removed += n {
		s.sweeping.Lock() // for each batch: others, who remove a single one, wait no longer than for that
		n, err = s.sweepSome(ctx, keep)
		s.sweeping.Unlock()
	}
	if removed > 0 {
		s.log.Info("ended operations removed", "operations", removed, "storedBytes", s.stored.Load())
	}
	return removed, errors.Join(err, ctx.Err(), s.shrink(ctx))
}

// expired is an operation to be removed.
type expired struct {
	id       signing.ID
	count    int
	bytes    int64 // of the file
	metadata int64 // about what its rows take
}

// sweepSome removes one batch. s.sweeping must be held.
func (s *Store) sweepSome(ctx context.Context, keep int64) (int, error) {
	batch, err := s.chooseOld(ctx)
	if err == nil && len(batch) == 0 {
		batch, err = s.chooseFetched(ctx)
	}
	if err == nil && len(batch) == 0 {
		batch, err = s.chooseOverShare(ctx, keep)
	}
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	unmade, err := s.removeAll(ctx, batch)
	if err != nil {
		return 0, err
	}
	if unmade > 0 {
		s.log.Info("operations were removed before their callbacks were made", "callbacks", unmade)
	}
	return len(batch), nil
}

// keepBytes is how much a sweep leaves in use: anything, while the limit is not near.
func (s *Store) keepBytes() int64 {
	limit := s.limit()
	if limit == 0 || s.used() < share(limit, sweepAbove) {
		return math.MaxInt64
	}
	return share(limit, sweepBelow)
}

// chooseOld returns operations that ended too long ago and are not being read.
func (s *Store) chooseOld(ctx context.Context) ([]expired, error) {
	if s.cfg.Retention.Age <= 0 {
		return nil, nil
	}
	tooOld := s.believedTime().Add(-s.cfg.Retention.Age)
	return s.scanExpired(ctx, s.queries.expired, tooOld.UnixNano(), s.beingRead.spared(time.Now()), sweepBatch)
}

// chooseFetched returns operations whose results were given out long enough ago.
func (s *Store) chooseFetched(ctx context.Context) ([]expired, error) {
	if s.cfg.Retention.Fetched <= 0 {
		return nil, nil
	}
	tooOld := s.believedTime().Add(-s.cfg.Retention.Fetched)
	return s.scanExpired(ctx, s.queries.fetched, tooOld.UnixNano(), s.beingRead.spared(time.Now()), sweepBatch)
}

func (s *Store) scanExpired(ctx context.Context, q *sql.Stmt, args ...any) ([]expired, error) {
	return collect(ctx, q, func(r row) (e expired, err error) {
		err = r.Scan(&e.id, &e.count, &e.bytes, &e.metadata)
		return e, err
	}, args...)
}

// Fetched implements signing.Records. Nothing is written where it makes no difference.
func (s *Store) Fetched(ctx context.Context, id signing.ID) error {
	if s.cfg.Retention.Fetched <= 0 {
		return nil
	}
	return s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec(
			"UPDATE operations SET fetched = ? WHERE id = ? AND is_ended = 1 AND fetched = 0",
			time.Now().UnixNano(),
			int64(id),
		)
		return err
	})
}

// remove deletes an operation's rows; unmade is how many of its callbacks (0 or 1) were among them.
func (t *tx) remove(e expired) (unmade int64, err error) {
	from, to := documentID(e.id, 0), documentID(e.id, e.count)
	for _, table := range []string{"sections", "prepared", "progress", "documents"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE id >= ? AND id < ?", from, to); err != nil {
			return 0, fmt.Errorf("delete %s: %w", table, err)
		}
	}
	if unmade, err = t.exec("DELETE FROM callbacks WHERE operation = ?", int64(e.id)); err != nil {
		return 0, fmt.Errorf("delete callback: %w", err)
	}
	if _, err = t.exec("DELETE FROM operations WHERE id = ?", int64(e.id)); err != nil {
		return 0, fmt.Errorf("delete operation: %w", err)
	}
	_, err = t.exec("INSERT OR IGNORE INTO removed (id) VALUES (?)", int64(e.id))
	return unmade, err
}

const (
	// vacuumPages is how many free pages are given back in one go; writers wait that long.
	vacuumPages = 256
	// sparePages is how many free pages are kept for the next operations.
	sparePages = 1024
)

// shrink gives pages that removed operations have left back to the file system.
func (s *Store) shrink(ctx context.Context) error {
	for ctx.Err() == nil {
		var free, total int64
		err := s.read.QueryRowContext(
			ctx,
			"SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count",
		).Scan(
			&free,
			&total,
		)
		if err != nil {
			return storageError("count free pages", err)
		}
		if free <= max(sparePages, total/4) {
			return nil
		}
		if err := s.do(ctx, 0, func(t *tx) error { return t.vacuum() }); err != nil {
			return err
		}
	}
	return nil
}

// vacuum moves pages from the end of the database into free ones.
func (t *tx) vacuum() error {
	rows, err := t.w.conn.QueryContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
	if err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}
