package store

import (
	"context"
	"math"
	"time"
)

// usage is how many bytes the operations of a client service take: their files, and an estimate of
// their rows.
type usage struct {
	clientService string
	bytes         int64
}

// chooseOverShare returns operations that are to be removed because more than keep bytes are used.
// It chooses from the client service that uses most, starting with the operations that ended first,
// until another client service uses more, and so on. A client service that uses no more than an
// equal part of keep loses nothing to the others. If nothing can be removed it returns nothing.
// Then new documents are refused until an operation ends, or has been available for fetchTime.
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
	// Bytes that belong to nobody, such as indexes, are divided in proportion to the documents.
	scale := float64(used-uploading) / float64(max(1, total))
	for _, c := range clients { // the largest first
		c.bytes = int64(float64(c.bytes) * scale)
		if c.bytes <= share {
			break
		}
		// Remove a little more than needed. Otherwise two client services that use the same lose one
		// operation each in turn.
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

// chooseOf returns operations of a client service that together hold excess bytes: those that ended
// first, that ended longer than fetchTime ago, and that are not being read. An operation whose end
// is in the future was ended before the clock was corrected, and its real end is not known. It is
// removed first, because otherwise nothing might be removable until that time.
func (sw *sweeper) chooseOf(ctx context.Context, c usage, excess int64, scale float64) ([]expired, error) {
	now := time.Now()
	ahead := now.Add(fetchTime).UnixNano()
	var batch []expired
	for _, span := range [][2]int64{{ahead, math.MaxInt64}, {math.MinInt64, now.Add(-fetchTime).UnixNano()}} {
		list, err := sw.scanExpired(ctx, sw.db.queries.endedOf,
			c.clientService, span[0], span[1], sw.readers.kept(now), sweepBatch)
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
