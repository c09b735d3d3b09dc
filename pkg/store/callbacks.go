package store

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Callback is the end of an operation that somebody is still to be told of. It goes with its
// operation.
type Callback struct {
	Operation signing.ID
	Tries     int       // that failed
	Next      time.Time // not before
}

// Callbacks returns those that are due first, whether they are or not yet.
func (s *Store) Callbacks(ctx context.Context, limit int) ([]Callback, error) {
	return collect(ctx, s.queries.callbacks, func(r row) (c Callback, err error) {
		var next int64
		err = r.Scan(&c.Operation, &c.Tries, &next)
		c.Next = fromNanos(next)
		return c, err
	}, limit)
}

// CallbackEnded forgets one: it was made, or given up.
func (s *Store) CallbackEnded(ctx context.Context, id signing.ID) error {
	return s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec("DELETE FROM callbacks WHERE operation = ?", int64(id))
		return err
	})
}

// CallbackFailed notes a try that failed, and when the next one is due.
func (s *Store) CallbackFailed(ctx context.Context, id signing.ID, next time.Time) error {
	return s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec(
			"UPDATE callbacks SET tries = tries + 1, next_try = ? WHERE operation = ?",
			next.UnixNano(),
			int64(id),
		)
		return err
	})
}
