package bucket

import (
	"context"
	"errors"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

// patience bounds the time for a call to a store, with all its attempts.
type patience struct {
	attempts int           // of one request
	small    time.Duration // for an attempt that transfers at most a record or a page
	data     time.Duration // for an attempt that transfers a part of a document
	copying  time.Duration // for an attempt that makes the store copy a part
	backoff  pace.Backoff  // between attempts
}

// usual is the patience in production. A call that fails is made again at the next scan, so a few
// attempts are enough to get over a busy store and a lost connection.
var usual = patience{
	attempts: 5,
	small:    20 * time.Second, // stores answer within seconds even while they throttle
	data:     2 * time.Minute,  // 8 MiB need 67 s at 1 Mbit/s
	copying:  5 * time.Minute,  // a store copies 512 MiB in seconds; this allows 2 MiB/s
	backoff:  pace.Backoff{First: 200 * time.Millisecond, Max: 5 * time.Second},
}

// call makes attempts until one succeeds, fails for a reason that lasts, or attempts are used up.
// limit bounds each of them.
func (p patience) call(ctx context.Context, limit time.Duration, attempt func(context.Context) error) error {
	for tried := 1; ; tried++ {
		err := within(ctx, limit, attempt)
		if !errors.Is(err, errTransient) || tried >= p.attempts || ctx.Err() != nil {
			return err
		}
		if pause := pace.Pause(ctx, p.backoff.After(tried)); pause != nil {
			return err
		}
	}
}

// within runs an attempt with a deadline.
func within(ctx context.Context, limit time.Duration, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return attempt(ctx)
}
