package signing

import (
	"context"
	"errors"
	"time"
)

// keepPause is the longest time between two tries to store signature values. A disk that was full
// is used again within this time.
const keepPause = 15 * time.Second

// keepValues stores signature values before anything uses them. If the disk is full, the values
// stay in memory until they can be stored, because they were paid for. Their call counts as in
// flight during that time, because a new call would have no room on the disk either. keepValues
// gives up when the process stops; the next start then counts the values as unknown.
func (m *caller) keepValues(call Call, values [][]byte) error {
	store := func() error { return m.cfg.Store.EndCall(context.Background(), call.ID, values) }
	err := store()
	if err == nil || errors.Is(err, ErrConflict) {
		return lostValues(err)
	}
	m.cfg.Log.Error(err, "signature values cannot be stored, they are kept in memory",
		"call", call.ID, "digests", len(values))
	m.unstored.Add(int64(len(values)))
	defer m.unstored.Add(-int64(len(values)))
	pause := persistPause
	for {
		select {
		case <-m.stopped:
			m.cfg.Log.Error(err, "signature values are lost because the process stops", "call", call.ID, "digests", len(values))
			return storageError(err)
		case <-time.After(pause):
		}
		pause = min(2*pause, keepPause)
		err = store()
		// A conflict means that the earlier try was stored although it was reported as failed.
		if err == nil || errors.Is(err, ErrConflict) {
			m.cfg.Log.Info("signature values were stored", "call", call.ID, "digests", len(values))
			return nil
		}
	}
}

// lostValues returns the error for values whose call is not in the store any more.
func lostValues(err error) error {
	if err == nil {
		return nil
	}
	return storageError(err)
}
