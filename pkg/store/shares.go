package store

import (
	"context"
	"math"
	"time"
)

// usage is what the operations of a client service take: their files, and about what their rows
// take.
type usage struct {
	clientService string
	bytes         int64
}

// chooseOverShare returns operations to be removed because more than keep is in use: of the client
// service that uses most, the ones that ended first, until it is no longer the one that uses most,
// and so on. A client service that uses no more than an equal part of keep loses nothing to the
// others. It may be that nothing can go: then new documents are refused until something ends or was
// there to be fetched for a while.
func (sw *sweeper) chooseOverShare(ctx context.Context, keep int64) ([]expired, error) {
	used := sw.space.used()
	if used <= keep {
		return nil, nil
	}
	clients, err := collect(ctx, sw.db.queries.usage, func(r row) (u usage, err error) {
		err = r.Scan(&u.clientService, &u.bytes)
		return u, err
	})
	if err != nil || len(clients) == 0 {
		return nil, err
	}
	uploading := sw.space.uploading.Load()
	total := int64(0)
	for _, c := range clients {
		total += c.bytes
	}
	share := max(0, keep-uploading) / int64(len(clients))
	// What is in use beside the documents, such as indexes, counts for each as its documents do.
	scale := float64(used-uploading) / float64(max(1, total))
	for _, c := range clients { // the largest first
		c.bytes = int64(float64(c.bytes) * scale)
		if c.bytes <= share {
			break
		}
		// A little more than needed, so that two client services that use the same do not lose one
		// operation in turn.
		slack := share / 32
		next := share
		if len(clients) > 1 && clients[1].clientService != c.clientService {
			next = max(share, int64(float64(clients[1].bytes)*scale))
		}
		batch, err := sw.chooseOf(ctx, c, min(used-keep, c.bytes-min(next, c.bytes-1)+slack), scale)
		if err != nil || len(batch) > 0 {
			return batch, err
		}
	}
	return nil, nil
}

// chooseOf returns the operations of a client service that ended first and not a moment ago, and
// are not being read, as many as hold excess bytes. What ended later than now was ended by a clock
// that was put right since, nobody knows when: it is the first to go, or nothing might go until
// then.
func (sw *sweeper) chooseOf(ctx context.Context, c usage, excess int64, scale float64) ([]expired, error) {
	now := time.Now()
	ahead := now.Add(fetchTime).UnixNano()
	var batch []expired
	for _, span := range [][2]int64{{ahead, math.MaxInt64}, {math.MinInt64, now.Add(-fetchTime).UnixNano()}} {
		list, err := sw.scanExpired(
			ctx,
			sw.db.queries.endedOf,
			c.clientService,
			span[0],
			span[1],
			sw.readers.kept(now),
			sweepBatch,
		)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if excess <= 0 || len(batch) == sweepBatch {
				return batch, nil
			}
			excess -= int64(float64(e.bytes+e.metadata) * scale)
			batch = append(batch, e)
		}
	}
	return batch, nil
}
