package store

import (
	"context"
	"os"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// doubtful are operations whose commit failed, with the sizes of their files in bytes. Until a
// later commit has succeeded nobody knows whether a crash would bring them back, so their files
// stay that long.
type doubtful struct {
	mu    sync.Mutex
	sizes map[signing.ID]int64
}

func (d *doubtful) add(id signing.ID, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sizes == nil {
		d.sizes = make(map[signing.ID]int64)
	}
	d.sizes[id] = size
}

func (d *doubtful) take() map[signing.ID]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	sizes := d.sizes
	d.sizes = nil
	return sizes
}

// settleDoubtful removes the files of doubtful operations that do not exist, and counts those that
// do: their rows are as durable as the commit that has just succeeded. Whoever called Create looks
// for its operation itself, as signing.Store says.
func (s *Store) settleDoubtful(ctx context.Context) error {
	sizes := s.doubtful.take()
	if len(sizes) == 0 {
		return nil
	}
	ids := make([]signing.ID, 0, len(sizes))
	for id := range sizes {
		ids = append(ids, id)
	}
	known, err := map[signing.ID]bool(nil), s.touch(ctx)
	if err == nil {
		known, err = s.known(ctx, ids)
	}
	for id, size := range sizes {
		switch {
		case err != nil:
			s.doubtful.add(id, size)
		case known[id]:
			s.stored.Add(size)
			s.nameCommitted(id)
			s.log.Info("operation was stored although its commit was reported as failed", "operation", id)
		default:
			_ = os.Remove(s.folder.newOperation(id))
		}
	}
	return err
}
