package store

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// sweepAbove is the part of Retention.MaxBytes at which a sweep begins, so that no upload has to
	// wait for one. sweepBelow is the part at which it ends, so that the next sweep is not due at
	// once.
	sweepAbove = 0.95
	sweepBelow = 0.9
	// diskShare is the part of the disk that Retention.MaxBytes may take at most. The rest is for the
	// audit record, the WAL and free pages of the database, the file system's own reserve, and
	// Config.MinFree.
	diskShare = 0.8
	// othersShare is the part of a small disk that is kept, besides Config.MinFree, for everything
	// that is not a document.
	othersShare = 0.1
)

// space counts the bytes that the store uses and decides whether more may come in. It removes
// nothing. It is safe for concurrent use.
type space struct {
	maxBytes int64 // Retention.MaxBytes
	minFree  int64 // Config.MinFree
	db       *database
	files    paths

	stored    atomic.Int64 // bytes of the files of operations
	uploading atomic.Int64 // bytes of uploads that are not operations yet
	left      atomic.Int64 // bytes that may come in before full has to be asked again

	wake      chan struct{}                    // tells sweeper.Run that the limit is near
	diskBytes func(path string) (int64, error) // size of the folder's disk
}

func newSpace(cfg Config, db *database, files paths) *space {
	return &space{
		maxBytes: cfg.Retention.MaxBytes, minFree: cfg.MinFree, db: db, files: files,
		wake: make(chan struct{}, 1), diskBytes: diskBytes,
	}
}

// full returns KindBusy if nothing more may come in now. Close to Retention.MaxBytes it wakes
// sweeper.Run.
func (s *space) full() error {
	if err := s.files.gone(); err != nil {
		return err
	}
	left := int64(math.MaxInt64)
	if limit := s.limit(); limit > 0 {
		used := s.used()
		if used >= share(limit, sweepAbove) {
			s.wakeSweep()
		}
		if left = limit - used; left <= 0 {
			why := fmt.Errorf("%d bytes are used, and the limit is %d (--retention.size, or what the disk allows)", used, limit)
			return signing.Errorf(signing.KindBusy, "storage limit is reached").Because(why).Retryable(busyRetry)
		}
	}
	if s.minFree >= 0 {
		free, err := freeBytes(s.files.path())
		if err != nil {
			return storageError("read free space", err)
		}
		if free < s.minFree {
			why := fmt.Errorf("%d bytes are free, and %d must stay free (--disk.min-free)", free, s.minFree)
			return signing.Errorf(signing.KindBusy, "storage is full").Because(why).Retryable(busyRetry)
		}
		left = min(left, free-s.minFree)
	}
	s.left.Store(left)
	return nil
}

// limit is Retention.MaxBytes, or what the disk allows if that is less; 0 = no limit. The disk
// counts because a limit larger than the disk would never be reached: old results would stay until
// Retention.Age, and new documents would be refused because no space is free. On a small disk the
// limit leaves Config.MinFree free.
func (s *space) limit() int64 {
	limit := s.maxBytes
	if limit <= 0 {
		return 0
	}
	if size, err := s.diskBytes(s.files.path()); err == nil {
		limit = min(limit, share(size, diskShare))
		if room := share(size, 1-othersShare) - s.minFree; s.minFree > 0 && room > 0 {
			limit = min(limit, room)
		}
	}
	return limit
}

func share(limit int64, part float64) int64 { return int64(float64(limit) * part) }

// used is the number of bytes that count against Retention.MaxBytes.
func (s *space) used() int64 { return s.stored.Load() + s.uploading.Load() + s.usedMetadata() }

// usedMetadata is the number of bytes that the database holds. Free pages do not count, because the
// next operations use them, and the WAL does not count, because its size is bounded. If they
// counted, a sweep would see no effect of what it removes, and would remove everything.
func (s *space) usedMetadata() int64 {
	var pages, free, size int64
	if err := s.db.queries.pages.QueryRow().Scan(&pages, &free, &size); err != nil {
		return s.db.metadataBytes() // more than is used, which is safe
	}
	return (pages - free) * size
}

// wakeSweep makes sweeper.Run sweep now.
func (s *space) wakeSweep() {
	select {
	case s.wake <- struct{}{}:
	default: // it is already woken
	}
}
