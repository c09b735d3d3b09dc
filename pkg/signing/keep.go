package signing

import (
	"context"
	"errors"
	"time"
)

// keepPause is the longest time between two tries to store signature values. A disk that was full
// is used again within this time.
const keepPause = 15 * time.Second

// keepValues stores signature values before anything uses them. Values that cannot be stored stay
// in memory, and the place of their call stays taken, until there is room: they were paid for, and
// a call that began now would have no room either. It gives up when the process stops; the next
// start then counts them as unknown.
func (b *batcher) keepValues(call Call, values [][]byte) error {
	store := func() error { return b.cfg.Store.EndCall(context.Background(), call.ID, values) }
	err := store()
	if err == nil || errors.Is(err, ErrConflict) {
		return lostValues(err)
	}
	b.cfg.Log.Error(
		err,
		"signature values cannot be stored, they are kept in memory",
		"call",
		call.ID,
		"digests",
		len(values),
	)
	b.unstored.Add(int64(len(values)))
	defer b.unstored.Add(-int64(len(values)))
	pause := persistPause
	for {
		select {
		case <-b.stopped:
			b.cfg.Log.Error(err, "signature values are lost because the process stops", "call", call.ID, "digests", len(values))
			return storageError(err)
		case <-time.After(pause):
		}
		pause = min(2*pause, keepPause)
		err = store()
		// A conflict means that the earlier try was stored although it was reported as failed.
		if err == nil || errors.Is(err, ErrConflict) {
			b.cfg.Log.Info("signature values were stored", "call", call.ID, "digests", len(values))
			return nil
		}
	}
}

// lostValues is the error of values whose call is not in the store any more.
func lostValues(err error) error {
	if err == nil {
		return nil
	}
	return storageError(err)
}
