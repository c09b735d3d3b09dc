package store

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// callbacks keeps the callbacks that are still to be made. It is safe for concurrent use.
type callbacks struct{ db *database }

// Callbacks returns at most limit callbacks, those with the earliest due time first. They may be
// due in the future.
func (cb *callbacks) Callbacks(ctx context.Context, limit int) ([]signing.Callback, error) {
	return collect(ctx, cb.db.queries.callbacks, func(r row) (c signing.Callback, err error) {
		var next int64
		err = r.Scan(&c.Operation, &c.Tries, &next)
		c.Next = fromNanos(next)
		return c, err
	}, limit)
}

// CallbackEnded removes a callback that was made or given up.
func (cb *callbacks) CallbackEnded(ctx context.Context, id signing.ID) error {
	return cb.db.do(ctx, 0, func(t *tx) error {
		_, err := t.exec("DELETE FROM callbacks WHERE operation = ?", int64(id))
		return err
	})
}

// CallbackFailed records a failed try and when the next one is due.
func (cb *callbacks) CallbackFailed(ctx context.Context, id signing.ID, next time.Time) error {
	const failed = "UPDATE callbacks SET tries = tries + 1, next_try = ? WHERE operation = ?"
	return cb.db.do(ctx, 0, func(t *tx) error {
		_, err := t.exec(failed, next.UnixNano(), int64(id))
		return err
	})
}
