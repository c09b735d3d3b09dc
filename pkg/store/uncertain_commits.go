package store

import (
	"context"
	"os"
	"sync"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// uncertainCommits are operations whose commit reported an error, with the sizes of their files in
// bytes. Until a later commit succeeds nobody knows whether a crash would bring these operations
// back, so their files stay. It is safe for concurrent use.
type uncertainCommits struct {
	db    *database
	files paths
	space *space
	log   logr.Logger

	mu    sync.Mutex
	sizes map[signing.ID]int64
}

func (u *uncertainCommits) add(id signing.ID, size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sizes == nil {
		u.sizes = make(map[signing.ID]int64)
	}
	u.sizes[id] = size
}

func (u *uncertainCommits) take() map[signing.ID]int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	sizes := u.sizes
	u.sizes = nil
	return sizes
}

// settle makes a commit, after which it is known which of the operations exist. It removes the
// files of those that do not exist and counts those that do. The caller of Create looks for its
// operation itself, as signing.Store says.
func (u *uncertainCommits) settle(ctx context.Context) error {
	sizes := u.take()
	if len(sizes) == 0 {
		return nil
	}
	ids := make([]signing.ID, 0, len(sizes))
	for id := range sizes {
		ids = append(ids, id)
	}
	known, err := map[signing.ID]bool(nil), u.db.touch(ctx)
	if err == nil {
		known, err = u.db.known(ctx, ids)
	}
	for id, size := range sizes {
		switch {
		case err != nil:
			u.add(id, size)
		case known[id]:
			u.space.stored.Add(size)
			u.nameCommitted(id)
			u.log.Info("operation was stored although its commit was reported as failed", "operation", id)
		default:
			_ = os.Remove(u.files.newOperation(id))
		}
	}
	return err
}

// nameCommitted gives an operation's file its final name after the commit. The rename need not be
// durable, because the next start repeats it.
func (u *uncertainCommits) nameCommitted(id signing.ID) {
	if err := os.Rename(u.files.newOperation(id), u.files.operation(id)); err != nil {
		u.log.Error(err, "could not rename the documents of an accepted operation; the next start will", "operation", id)
	}
}
