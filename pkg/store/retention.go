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
	// sweepEvery is how often Run looks for what is to be removed. Retention is counted in hours: a
	// minute is exact enough.
	sweepEvery = time.Minute
	// sweepBatch is how many operations are removed in one transaction.
	sweepBatch = 16
	// fetchTime is how long an ended operation is kept although there is too much: somebody is about
	// to fetch its documents.
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
	age       ageClock
	log       logr.Logger

	sweeping sync.Mutex // held while operations are removed
	unlinked []int64    // removed operations whose files are gone; guarded by sweeping
}

// room is full for what comes in: at Retention.MaxBytes it removes first what may go.
func (sw *sweeper) room(ctx context.Context) error {
	if err := sw.makeRoom(ctx); err != nil {
		sw.log.Error(err, "no room could be made")
	}
	return sw.space.full()
}

// makeRoom removes ended operations until Retention.MaxBytes is not reached any more: Run does the
// rest. It waits for nobody who is at it already: a request that waits holds its place among those
// that are served at a time, also against those that read.
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

// Run sweeps now and then, and when much is in use, until ctx is done.
func (sw *sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := sw.Sweep(ctx); err != nil && ctx.Err() == nil {
			sw.log.Error(err, "sweep did not end")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			sw.db.writer.markAsked.Store(true) // with the next write
		case <-sw.space.wake:
		}
	}
}

// Sweep removes ended operations that are older than Retention.Age, those whose results were
// fetched Retention.Fetched ago, and, while nearly Retention.MaxBytes are used, those that ended
// first of the client services that use most. It gives space in the database back. It returns how
// many operations were removed. Operations that are being read are left alone; documents stay
// readable to whoever opened them.
func (sw *sweeper) Sweep(ctx context.Context) (removed int, err error) {
	if err := sw.uncertain.settle(ctx); err != nil {
		return 0, err
	}
	sw.age.record(ctx)
	keep := sw.keepBytes()
	for n := 1; n > 0 && err == nil && ctx.Err() == nil; removed += n {
		sw.sweeping.Lock() // for each batch: others, who remove a single one, wait no longer than for that
		n, err = sw.sweepSome(ctx, keep)
		sw.sweeping.Unlock()
	}
	if removed > 0 {
		sw.log.Info("ended operations removed", "operations", removed, "storedBytes", sw.space.stored.Load())
	}
	return removed, errors.Join(err, ctx.Err(), sw.db.shrink(ctx))
}

// expired is an operation to be removed.
type expired struct {
	id       signing.ID
	count    int
	bytes    int64 // of the file
	metadata int64 // about what its rows take
}

// sweepSome removes one batch. s.sweeping must be held.
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
	unmade, err := sw.removeAll(ctx, batch)
	if err != nil {
		return 0, err
	}
	if unmade > 0 {
		sw.log.Info("operations were removed before their callbacks were made", "callbacks", unmade)
	}
	return len(batch), nil
}

// keepBytes is how much a sweep leaves in use: anything, while the limit is not near.
func (sw *sweeper) keepBytes() int64 {
	limit := sw.space.limit()
	if limit == 0 || sw.space.used() < share(limit, sweepAbove) {
		return math.MaxInt64
	}
	return share(limit, sweepBelow)
}

// chooseOld returns operations that ended too long ago and are not being read.
func (sw *sweeper) chooseOld(ctx context.Context) ([]expired, error) {
	if sw.cfg.Age <= 0 {
		return nil, nil
	}
	tooOld := sw.age.believed().Add(-sw.cfg.Age)
	return sw.scanExpired(ctx, sw.db.queries.expired, tooOld.UnixNano(), sw.readers.kept(time.Now()), sweepBatch)
}

// chooseFetched returns operations whose results were given out long enough ago.
func (sw *sweeper) chooseFetched(ctx context.Context) ([]expired, error) {
	if sw.cfg.Fetched <= 0 {
		return nil, nil
	}
	tooOld := sw.age.believed().Add(-sw.cfg.Fetched)
	return sw.scanExpired(ctx, sw.db.queries.fetched, tooOld.UnixNano(), sw.readers.kept(time.Now()), sweepBatch)
}

func (sw *sweeper) scanExpired(ctx context.Context, q *sql.Stmt, args ...any) ([]expired, error) {
	return collect(ctx, q, func(r row) (e expired, err error) {
		err = r.Scan(&e.id, &e.count, &e.bytes, &e.metadata)
		return e, err
	}, args...)
}

// Fetched implements signing.Records. Nothing is written where it makes no difference.
func (sw *sweeper) Fetched(ctx context.Context, id signing.ID) error {
	if sw.cfg.Fetched <= 0 {
		return nil
	}
	return sw.db.do(ctx, 0, func(t *tx) error {
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
