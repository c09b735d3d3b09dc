package store

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxFetches is how many fetched operations are remembered before they are recorded. They take some
// ten kilobytes.
const maxFetches = 1000

// fetches records which operations had their results fetched. It is safe for concurrent use.
//
// If retention depends on it, each is recorded at once. Otherwise only an instance that leaves for
// good wants to know, and an fsync for each fetched operation would cost more than that is worth.
// Then fetches are recorded together: with each sweep, and before they are counted. A crash loses
// those of the last minute. Their results then count as not fetched.
type fetches struct {
	atOnce bool
	db     *database
	log    logr.Logger

	mu    sync.Mutex
	later map[signing.ID]struct{}
}

// Fetched implements signing.Records.
func (f *fetches) Fetched(ctx context.Context, id signing.ID) error {
	if f.atOnce {
		return f.record(ctx, []int64{int64(id)})
	}
	f.mu.Lock()
	if f.later == nil {
		f.later = make(map[signing.ID]struct{})
	}
	f.later[id] = struct{}{}
	full := len(f.later) >= maxFetches
	f.mu.Unlock()
	if full {
		return f.flush(ctx)
	}
	return nil
}

// flush records what is remembered. After an error it is forgotten: the results are kept, and count
// as not fetched.
func (f *fetches) flush(ctx context.Context) error {
	f.mu.Lock()
	ids := make([]int64, 0, len(f.later))
	for id := range f.later {
		ids = append(ids, int64(id))
	}
	f.later = nil
	f.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	return f.record(ctx, ids)
}

func (f *fetches) record(ctx context.Context, ids []int64) error {
	const fetched = `UPDATE operations SET fetched = ?
		WHERE id IN (SELECT value FROM json_each(?)) AND is_ended = 1 AND fetched = 0`
	list := idList(ids)
	return f.db.do(ctx, len(list), func(t *tx) error {
		_, err := t.exec(fetched, time.Now().UnixNano(), list)
		return err
	})
}

// Remaining is what clients still expect from the store.
type Remaining struct {
	Operations int64 // that have not ended
	Results    int64 // operations that have ended and whose results nobody has fetched completely
	Callbacks  int64 // that are still to be made
}

// Remaining counts what clients still expect. It reads all operations, which takes about a second
// for a million of them. Operations whose results were fetched from an earlier release than the one
// that records it count as not fetched.
func (f *fetches) Remaining(ctx context.Context) (r Remaining, err error) {
	if err := f.flush(ctx); err != nil {
		f.log.Error(err, "could not record that results were fetched")
	}
	row := f.db.queries.remaining.QueryRowContext(ctx)
	return r, storageError("count what clients expect", row.Scan(&r.Operations, &r.Results, &r.Callbacks))
}
