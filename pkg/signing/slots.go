package signing

import (
	"context"
	"sync"
)

// slots limits how many functions run at the same time: its capacity.
type slots chan struct{}

// each calls f(0) to f(n-1). Each call takes a slot. After ctx is done, it starts no more calls. It
// returns when all started calls have returned.
func (s slots) each(ctx context.Context, n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		select {
		case s <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			defer func() { <-s }()
			f(i)
		})
	}
	wg.Wait()
}
