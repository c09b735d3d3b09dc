package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// sweepEvery is how often Run sweeps. A minute is exact enough, because retention is counted in
	// hours.
	sweepEvery = time.Minute
	// sweepBatch is how many operations one transaction removes.
	sweepBatch = 16
	// fetchTime is how long an ended operation is kept even if too much space is used, because its
	// owner may be about to fetch its documents.
	fetchTime = time.Minute
)

// sweeper removes operations: those that retention no longer keeps, and those that their owner
// removes. It is safe for concurrent use.
type sweeper struct {
	cfg       Retention
	db        *database
	files     paths
	space     *space
	uncertain *uncertainCommits
	readers   *readers
	fetches   *fetches
	age       ageClock
	log       logr.Logger

	sweeping sync.Mutex // held while operations are removed
	unlinked []int64    // removed operations whose files are gone; guarded by sweeping
}

// room is space.full for uploads. At Retention.MaxBytes it first removes operations that may be
// removed.
func (sw *sweeper) room(ctx context.Context) error {
	if err := sw.makeRoom(ctx); err != nil {
		sw.log.Error(err, "could not remove operations to make room")
	}
	return sw.space.full()
}

// makeRoom removes ended operations until less than Retention.MaxBytes is used. Run does the rest.
// It does not wait if another goroutine is removing operations, because a request that waits keeps
// its place among the requests that are served at a time, also from requests that only read.
func (sw *sweeper) makeRoom(ctx context.Context) error {
	limit := sw.space.limit()
	for limit > 0 && sw.space.used() >= limit && sw.sweeping.TryLock() {
		n, err := sw.sweepSome(ctx, limit-1)
		sw.sweeping.Unlock()
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// Run sweeps every minute, and when the limit is near, until ctx is done. It then returns nil.
func (sw *sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := sw.Sweep(ctx); err != nil && ctx.Err() == nil {
			sw.log.Error(err, "could not finish a sweep")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			sw.db.writer.markAsked.Store(true) // it happens with the next write
		case <-sw.space.wake:
		}
	}
}

// Sweep removes ended operations that are older than Retention.Age and those whose results were
// fetched Retention.Fetched ago. While nearly Retention.MaxBytes are used it also removes
// operations of the client services that use most, starting with those that ended first. It gives
// free pages of the database back to the file system. It returns how many operations it removed.
//
// Sweep leaves operations alone that are being read. Whoever has opened a document can read it to
// the end.
func (sw *sweeper) Sweep(ctx context.Context) (removed int, err error) {
	if err := sw.uncertain.settle(ctx); err != nil {
		return 0, err
	}
	if err := sw.fetches.flush(ctx); err != nil {
		sw.log.Error(err, "could not record that results were fetched")
	}
	sw.age.record(ctx)
	keep := sw.keepBytes()
	for n := 1; n > 0 && err == nil && ctx.Err() == nil; removed += n {
		sw.sweeping.Lock() // for each batch, so that Remove waits for one batch at most
		n, err = sw.sweepSome(ctx, keep)
		sw.sweeping.Unlock()
	}
	if removed > 0 {
		sw.log.Info("ended operations removed", "operations", removed, "storedBytes", sw.space.stored.Load())
	}
	return removed, errors.Join(err, ctx.Err(), sw.db.shrink(ctx))
}

// expired is an operation that is to be removed.
type expired struct {
	id       signing.ID
	count    int
	bytes    int64 // of the file
	metadata int64 // estimate of the bytes that its rows take
}

// sweepSome removes one batch. sw.sweeping must be held.
func (sw *sweeper) sweepSome(ctx context.Context, keep int64) (int, error) {
	batch, err := sw.chooseOld(ctx)
	if err == nil && len(batch) == 0 {
		batch, err = sw.chooseFetched(ctx)
	}
	if err == nil && len(batch) == 0 {
		batch, err = sw.chooseOverShare(ctx, keep)
	}
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	callbacks, err := sw.removeAll(ctx, batch)
	if err != nil {
		return 0, err
	}
	if callbacks > 0 {
		sw.log.Info("operations were removed before their callbacks were made", "callbacks", callbacks)
	}
	return len(batch), nil
}

// keepBytes is how many bytes a sweep leaves in use: any number, unless the limit is near.
func (sw *sweeper) keepBytes() int64 {
	limit := sw.space.limit()
	if limit == 0 || sw.space.used() < share(limit, sweepAbove) {
		return math.MaxInt64
	}
	return share(limit, sweepBelow)
}

// chooseOld returns operations that ended longer than Retention.Age ago and are not being read.
func (sw *sweeper) chooseOld(ctx context.Context) ([]expired, error) {
	if sw.cfg.Age <= 0 {
		return nil, nil
	}
	tooOld := sw.age.trusted().Add(-sw.cfg.Age)
	return sw.scanExpired(ctx, sw.db.queries.expired, tooOld.UnixNano(), sw.readers.kept(time.Now()), sweepBatch)
}

// chooseFetched returns operations whose results were fetched longer than Retention.Fetched ago and
// are not being read.
func (sw *sweeper) chooseFetched(ctx context.Context) ([]expired, error) {
	if sw.cfg.Fetched <= 0 {
		return nil, nil
	}
	tooOld := sw.age.trusted().Add(-sw.cfg.Fetched)
	return sw.scanExpired(ctx, sw.db.queries.fetched, tooOld.UnixNano(), sw.readers.kept(time.Now()), sweepBatch)
}

func (sw *sweeper) scanExpired(ctx context.Context, q *sql.Stmt, args ...any) ([]expired, error) {
	return collect(ctx, q, func(r row) (e expired, err error) {
		err = r.Scan(&e.id, &e.count, &e.bytes, &e.metadata)
		return e, err
	}, args...)
}

// remove deletes the rows of an operation and adds the operation to the table removed. It returns
// how many callbacks (0 or 1) were deleted before they were made.
func (t *tx) remove(e expired) (callbacks int64, err error) {
	from, to := documentID(e.id, 0), documentID(e.id, e.count)
	for _, table := range []string{"sections", "prepared", "progress", "documents"} {
		if _, err := t.exec("DELETE FROM "+table+" WHERE id >= ? AND id < ?", from, to); err != nil {
			return 0, fmt.Errorf("delete %s: %w", table, err)
		}
	}
	if callbacks, err = t.exec("DELETE FROM callbacks WHERE operation = ?", int64(e.id)); err != nil {
		return 0, fmt.Errorf("delete callback: %w", err)
	}
	if _, err = t.exec("DELETE FROM operations WHERE id = ?", int64(e.id)); err != nil {
		return 0, fmt.Errorf("delete operation: %w", err)
	}
	_, err = t.exec("INSERT OR IGNORE INTO removed (id) VALUES (?)", int64(e.id))
	return callbacks, err
}
